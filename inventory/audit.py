"""Inventory's promises, each one statement, so that it sees one instant of the database and may run at any time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db import connections

from inventory.models import BORN, OPEN, Reservation, ReservationStatus
from shop import transactions
from shop.audit import SKEW, Check, Law, Violation, in_sql, register_check, register_law
from shop.audit.bus import register_bus_checks
from shop.audit.statuses import register_history_checks

# Holds are swept within seconds of their end.
OVERDUE_SECONDS = 300
# No hold is given for longer, nor extended by more, whatever RESERVATION_TTL_SECONDS and HOLD_EXTENSION_SECONDS say.
LONGEST_HOLD = timedelta(days=1)

# What one unit of a reservation has moved by now, by its status: available, reserved, sold.
MOVED = {
    ReservationStatus.HELD: (-1, 1, 0),
    ReservationStatus.PAYING: (-1, 1, 0),
    ReservationStatus.COMMITTED: (-1, 0, 1),
    ReservationStatus.RELEASED: (0, 0, 0),
    ReservationStatus.EXPIRED: (0, 0, 0),
    ReservationStatus.RETURNED: (0, 0, 0),
}
_MOVED = ", ".join(f"('{status}', {', '.join(map(str, deltas))})" for status, deltas in MOVED.items())
# What a movement of each kind does to the columns, beside the one that it takes from: (kind, of an order, signs).
_KINDS = """
    CASE kind
        WHEN 'RECEIVED' THEN (sign(available_delta), sign(received_delta)) = (1, 1) AND order_id IS NULL
            AND (reserved_delta, sold_delta, written_off_delta) = (0, 0, 0)
        WHEN 'WRITTEN_OFF' THEN (sign(available_delta), sign(written_off_delta)) = (-1, 1) AND order_id IS NULL
            AND (reserved_delta, sold_delta, received_delta) = (0, 0, 0)
        ELSE (received_delta, written_off_delta) = (0, 0) AND order_id IS NOT NULL AND CASE kind
            WHEN 'RESERVED' THEN (sign(available_delta), sign(reserved_delta), sold_delta) = (-1, 1, 0)
            WHEN 'COMMITTED' THEN (available_delta, sign(reserved_delta), sign(sold_delta)) = (0, -1, 1)
            WHEN 'EXPIRED' THEN (sign(available_delta), sign(reserved_delta), sold_delta) = (1, -1, 0)
            WHEN 'RETURNED' THEN (sign(available_delta), reserved_delta, sign(sold_delta)) = (1, 0, -1)
            WHEN 'RELEASED' THEN sign(available_delta) = 1 AND least(reserved_delta, sold_delta) < 0
                AND greatest(reserved_delta, sold_delta) = 0
            ELSE false END
    END"""

LAWS = (
    Law(
        "I1",
        "every product has its stock",
        "SELECT 'SKU ' || p.sku, 'it is a product without a row of stock' FROM inventory_product AS p"
        " WHERE NOT EXISTS (SELECT 1 FROM inventory_stock AS s WHERE s.sku = p.sku) ORDER BY 1",
    ),
    Law(
        "I1",
        "the version of stock counts its movements",
        "SELECT 'SKU ' || s.sku, format('it is at version %%s after %%s movements', s.version, coalesce(m.moved, 0))"
        " FROM inventory_stock AS s LEFT JOIN (SELECT sku, count(*) AS moved FROM inventory_stockmovement GROUP BY sku)"
        "  AS m ON m.sku = s.sku"
        # What several orders move in one statement is one version.
        " WHERE s.version - 1 NOT BETWEEN least(coalesce(m.moved, 0), 1) AND coalesce(m.moved, 0) ORDER BY 1",
    ),
    Law(
        "I1",
        "each movement moves what its kind says",
        "SELECT CASE WHEN order_id IS NULL THEN 'SKU ' || sku ELSE 'reservation ' || order_id END, format("
        " 'movement %%s of %%s is %%s: available %%s, reserved %%s, sold %%s, received %%s, written off %%s', id, sku, kind,"
        "  available_delta, reserved_delta, sold_delta, received_delta, written_off_delta) FROM inventory_stockmovement"
        f" WHERE NOT ({_KINDS}) OR at > now() + {SKEW} ORDER BY id",
    ),
    Law(
        "I1",
        "each reservation has moved its lines, no more and no less",
        f"WITH moved (status, available, reserved, sold) AS (VALUES {_MOVED}),"
        " wanted AS (SELECT l.reservation_id AS order_id, l.sku, m.available * l.quantity AS available,"
        "   m.reserved * l.quantity AS reserved, m.sold * l.quantity AS sold FROM inventory_reservationline AS l"
        "   JOIN inventory_reservation AS r ON r.order_id = l.reservation_id JOIN moved AS m ON m.status = r.status"
        "   WHERE l.reservation_id >= %(first)s),"
        " ledger AS (SELECT order_id, sku, sum(available_delta) AS available, sum(reserved_delta) AS reserved,"
        "   sum(sold_delta) AS sold FROM inventory_stockmovement WHERE order_id >= %(first)s GROUP BY order_id, sku)"
        " SELECT 'reservation ' || coalesce(w.order_id, l.order_id), string_agg(format('of %%s it has moved %%s to be"
        " available, %%s reserved, %%s sold; its lines say %%s, %%s, %%s', coalesce(w.sku, l.sku),"
        "  coalesce(l.available, 0), coalesce(l.reserved, 0), coalesce(l.sold, 0), coalesce(w.available, 0),"
        "  coalesce(w.reserved, 0), coalesce(w.sold, 0)), '; ')"
        " FROM wanted AS w FULL JOIN ledger AS l ON l.order_id = w.order_id AND l.sku = w.sku"
        # No row on one side: nothing moved; but what is reserved or sold leaves a trace even where it came back.
        " WHERE w.order_id IS NULL OR l.order_id IS NULL"
        "  OR (w.available, w.reserved, w.sold) <> (l.available, l.reserved, l.sold) GROUP BY 1 ORDER BY 1",
    ),
    Law(
        "I1",
        "each reservation that kept stock has lines",
        "SELECT 'reservation ' || order_id, status || ' without lines' FROM inventory_reservation AS r"
        " WHERE order_id >= %(first)s AND status <> 'RELEASED' AND NOT EXISTS"
        "  (SELECT 1 FROM inventory_reservationline AS l WHERE l.reservation_id = r.order_id) ORDER BY 1",
    ),
    Law(
        "I10",
        "no hold lasts longer than any is given",
        "SELECT 'reservation ' || order_id, format('%%s, it was made at %%s and expires at %%s', status, created_at, expires_at)"
        " FROM inventory_reservation WHERE order_id >= %(first)s AND (created_at > now() + "
        + SKEW
        + " OR status = 'HELD'"
        "  AND expires_at > greatest(created_at, now() - interval '1 day') + %(longest)s"
        "   * CASE WHEN extended_at IS NULL THEN 1 ELSE 2 END) ORDER BY 1",
    ),
    Law(
        "I10",
        "no hold outlives its time",
        "SELECT 'reservation ' || order_id, format('HELD though it expired at %%s: run the sweeper',"
        "  to_char(expires_at, 'YYYY-MM-DD HH24:MI:SS')) FROM inventory_reservation"
        " WHERE status = 'HELD' AND expires_at < now() - %(overdue)s ORDER BY expires_at",
    ),
)


def register() -> None:
    """Have these checks run with every audit."""
    for promise, title, run in (
        ("I1", "stock follows its law", stock_law),
        ("I1", "stock equals its ledger", stock_against_ledger),
        ("I1", "stock equals its reservations", stock_against_reservations),
    ):
        register_check(Check(promise, "inventory", title, run))
    overdue = timedelta(seconds=OVERDUE_SECONDS)
    for law in LAWS:
        register_law("inventory", law, longest=LONGEST_HOLD, overdue=overdue)
    register_bus_checks("inventory")
    register_history_checks(Reservation, born=BORN, since_field="created_at")


def stock_law() -> Iterator[Violation]:
    """Per SKU: available + reserved + sold = received - written off, each >= 0. The constraints say it too."""
    for sku, *columns in _rows(
        "SELECT sku, available, reserved, sold, received, written_off FROM inventory_stock"
        " WHERE least(available, reserved, sold, received, written_off) < 0"
        " OR available + reserved + sold <> received - written_off ORDER BY sku"
    ):
        names = ("available", "reserved", "sold", "received", "written_off")
        yield Violation("I1", f"SKU {sku}", f"the stock law is broken: {_pairs(names, columns)}")


def stock_against_ledger() -> Iterator[Violation]:
    """Every column of stock is the sum of its movements, and every movement belongs to stock."""
    for sku, stock, ledger in _rows(
        "SELECT coalesce(s.sku, m.sku), ARRAY[s.available, s.reserved, s.sold, s.received, s.written_off]::text,"
        "  m.deltas::text FROM inventory_stock AS s FULL JOIN (SELECT sku, ARRAY[sum(available_delta),"
        "  sum(reserved_delta), sum(sold_delta), sum(received_delta), sum(written_off_delta)]::bigint[] AS deltas"
        "  FROM inventory_stockmovement GROUP BY sku) AS m ON m.sku = s.sku"
        " WHERE ARRAY[s.available, s.reserved, s.sold, s.received, s.written_off]"
        "  IS DISTINCT FROM coalesce(m.deltas, '{0,0,0,0,0}') ORDER BY 1"
    ):
        yield Violation("I1", f"SKU {sku}", f"stock {stock} differs from its ledger {ledger}")


def stock_against_reservations() -> Iterator[Violation]:
    """Compare: reserved is what HELD and PAYING orders keep, sold is what COMMITTED orders have."""
    for sku, reserved, kept, sold, bought in _rows(
        "SELECT coalesce(s.sku, l.sku), s.reserved, l.kept, s.sold, l.bought FROM inventory_stock AS s FULL JOIN"
        f" (SELECT line.sku, coalesce(sum(quantity) FILTER (WHERE r.status IN {in_sql(OPEN)}), 0) AS kept,"
        "  coalesce(sum(quantity) FILTER (WHERE r.status = 'COMMITTED'), 0) AS bought"
        "  FROM inventory_reservationline AS line JOIN inventory_reservation AS r ON r.order_id = line.reservation_id"
        "  WHERE r.status <> 'SHORT' GROUP BY line.sku) AS l ON l.sku = s.sku"
        " WHERE coalesce(s.reserved, 0) <> coalesce(l.kept, 0) OR coalesce(s.sold, 0) <> coalesce(l.bought, 0)"
        " ORDER BY 1"
    ):
        yield Violation(
            "I1",
            f"SKU {sku}",
            f"reserved {reserved} but orders keep {kept or 0}; sold {sold} but orders have {bought or 0}",
        )


def _rows(sql: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
    with connections[transactions.alias_for("inventory")].cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def _pairs(names: tuple[str, ...], values: list[Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))
