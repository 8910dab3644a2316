"""Use cases of time: free the stock of holds that nobody began to pay for. The database's clock alone decides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

import structlog
from django.db.backends.utils import CursorWrapper

from inventory.events import StockExpired
from inventory.metrics import EXPIRED
from inventory.models import Reservation, ReservationLine, Status
from inventory.rules import Line
from inventory.services import ledger
from shop import transactions
from shop.states import change_status

log = structlog.get_logger(__name__)

BATCH = 100


def release_expired_reservations(*, limit: int = 500) -> int:
    """Expire up to `limit` holds whose time is over, the oldest first; return how many.

    May run anywhere, any number at once: each skips what another has locked. Raises: InventoryUnavailable.
    """
    expired = 0
    while expired < limit:
        size = min(BATCH, limit - expired)
        with ledger.unit_of_work() as cursor:
            cursor.execute(
                "SELECT order_id FROM inventory_reservation WHERE status = 'HELD' AND expires_at <= now()"
                " ORDER BY expires_at LIMIT %s FOR UPDATE SKIP LOCKED",
                [size],
            )
            done = _expire(cursor, [row[0] for row in cursor.fetchall()])
        expired += done
        if done < size:
            break
    return expired


def expire_reservations(*, order_ids: Sequence[UUID]) -> int:
    """Expire those of these holds whose time is over and that are still HELD, waiting for whoever has them locked."""
    with ledger.unit_of_work() as cursor:
        cursor.execute(
            "SELECT order_id FROM inventory_reservation WHERE order_id = ANY(%s) AND status = 'HELD'"
            " AND expires_at <= now() ORDER BY order_id FOR UPDATE",
            [list(order_ids)],
        )
        return _expire(cursor, [row[0] for row in cursor.fetchall()])


def expired_holds(cursor: CursorWrapper, *, skus: Sequence[str]) -> list[UUID]:
    """Return orders whose hold on one of these SKUs is over, the oldest first, without locking them."""
    cursor.execute(
        "SELECT order_id FROM inventory_reservation AS r WHERE status = 'HELD' AND expires_at <= now() AND EXISTS"
        " (SELECT 1 FROM inventory_reservationline AS line WHERE line.reservation_id = r.order_id"
        "  AND line.sku = ANY(%s)) ORDER BY expires_at LIMIT %s",
        [list(skus), BATCH],
    )
    return [row[0] for row in cursor.fetchall()]


def _expire(cursor: CursorWrapper, order_ids: Sequence[UUID]) -> int:
    """Expire these locked holds; their stock is moved in one statement for all of them."""
    if not order_ids:
        return 0
    lines: defaultdict[UUID, list[Line]] = defaultdict(list)
    for line in ReservationLine.objects.filter(reservation__in=order_ids).order_by("sku"):
        lines[line.reservation_id].append(Line(line.sku, line.quantity))
    for order_id in order_ids:
        event = StockExpired(order_id=order_id, lines=tuple(lines[order_id]))
        if change_status(Reservation, order_id, expected={Status.HELD}, to=Status.EXPIRED, event=event) is None:
            raise RuntimeError(f"reservation {order_id} moved under our lock")
    ledger.move(cursor, ledger.EXPIRE, [(order_id, line) for order_id in order_ids for line in lines[order_id]])
    transactions.after_commit("inventory", lambda: _tell_expired(len(order_ids)))
    return len(order_ids)


def _tell_expired(count: int) -> None:
    EXPIRED.inc(count)
    log.info("reservations.expired", count=count)
