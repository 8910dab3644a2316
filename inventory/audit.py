"""Inventory's promises, each one statement, so that it sees one instant of the database and may run at any time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db import connections

from inventory.events import (
    StockCommitted,
    StockExpired,
    StockPaymentBegan,
    StockReleased,
    StockReserved,
    StockReturned,
    StockShort,
)
from inventory.models import BORN, Reservation, Status
from shop import transactions
from shop.audit import Check, Violation, register_check
from shop.events.history import register_history_checks

OVERDUE_SECONDS = 300


def register() -> None:
    """Have these checks run with every audit."""
    for promise, title, run in (
        ("I1", "stock follows its law", stock_law),
        ("I1", "stock equals its ledger", stock_against_ledger),
        ("I1", "stock equals its reservations", stock_against_reservations),
        ("I10", "no hold outlives its time", leftover_holds),
    ):
        register_check(Check(promise, "inventory", title, run))
    register_history_checks(
        context="inventory",
        model=Reservation,
        noun="reservation",
        status_after={
            StockReserved.type: lambda fact: str(fact["status"]),
            StockPaymentBegan.type: Status.PAYING,
            StockCommitted.type: Status.COMMITTED,
            StockReleased.type: Status.RELEASED,
            StockExpired.type: Status.EXPIRED,
            StockReturned.type: Status.RETURNED,
            StockShort.type: Status.SHORT,
        },
        born=BORN,
        since_field="created_at",
    )


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
        " (SELECT line.sku, coalesce(sum(quantity) FILTER (WHERE r.status IN ('HELD', 'PAYING')), 0) AS kept,"
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


def leftover_holds() -> Iterator[Violation]:
    """Find holds that are minutes past their end: they are swept within seconds, so nothing sweeps."""
    for order_id, expires_at in _rows(
        "SELECT order_id, expires_at FROM inventory_reservation WHERE status = 'HELD' AND expires_at < now() - %s"
        " ORDER BY expires_at",
        [timedelta(seconds=OVERDUE_SECONDS)],
    ):
        yield Violation(
            "I10",
            f"reservation {order_id}",
            f"HELD though it expired at {expires_at:%Y-%m-%d %H:%M:%S}: run the sweeper",
        )


def _rows(sql: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
    with connections[transactions.alias_for("inventory")].cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def _pairs(names: tuple[str, ...], values: list[Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))
