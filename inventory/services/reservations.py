"""Use cases of an order's stock: reserve, begin payment, commit, release, return.

Each is idempotent by the order's id and takes one transaction. Each undo accepts "nothing there" and leaves a
tombstone, so that a reservation asked for late finds the door shut.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import structlog
from django.conf import settings
from django.db.backends.utils import CursorWrapper

from inventory import rules
from inventory.events import (
    StockCommitted,
    StockExpired,
    StockPaymentBegan,
    StockReleased,
    StockReserved,
    StockReturned,
    StockShort,
)
from inventory.models import Reservation, Status
from inventory.queries import ReservationNotFound, ReservationState, UnknownProduct
from inventory.rules import Line, Shortage
from inventory.services import expiry, ledger
from shop import transactions
from shop.errors import Refusal
from shop.events.event import Event
from shop.events.outbox import publish
from shop.states import change_status

log = structlog.get_logger(__name__)

# Each round frees the expired holds that the round before met, so a second one is rare and a third rarer.
ROUNDS = 5
TOMBSTONES = frozenset({Status.RELEASED, Status.EXPIRED, Status.RETURNED})


class InsufficientStock(Refusal):
    """There is less of a SKU than the order wants; the refusal is on record, and asking again gets the same answer."""

    code = "insufficient_stock"
    title = "Not enough in stock"


class ReservationClosed(Refusal):
    """The reservation stands in a status that this step cannot start from."""

    code = "reservation_closed"
    title = "The reservation is closed"


class ReservationMismatch(Refusal):
    """The order has a reservation for other lines; an order's lines never change."""

    code = "reservation_mismatch"
    title = "The order has reserved something else"


def reserve_stock(*, order_id: UUID, lines: Sequence[Line], for_payment: bool) -> ReservationState:
    """Keep stock for an order, all lines or nothing; HELD until it expires, or PAYING with `for_payment`.

    Idempotent by `order_id`; asked again with `for_payment`, a HELD reservation begins payment. A refusal for want of
    stock is recorded. Takes one transaction, five statements; a shortage takes more.

    Raises: InsufficientStock(sku, wanted, available), ReservationClosed(status), ReservationMismatch, UnknownProduct,
    InvalidQuantity, InventoryUnavailable.
    """
    wanted = rules.summed(lines)
    for attempt in range(ROUNDS):
        try:
            return _answer(_reserve(order_id, wanted, for_payment))
        except _Short as short:
            if short.expired and attempt + 1 < ROUNDS:
                expiry.expire_reservations(order_ids=short.expired)
                continue
            shortage = short.shortage
            break
    return _answer(_record_shortage(order_id, wanted, shortage))


def begin_payment(*, order_id: UUID) -> ReservationState:
    """Move HELD to PAYING, from where nothing expires. PAYING and COMMITTED are answered as they are.

    A hold whose time is over becomes EXPIRED and is refused.
    Raises: ReservationClosed(status), InsufficientStock, ReservationNotFound, InventoryUnavailable.
    """
    with ledger.unit_of_work() as cursor:
        kept = _begin_payment(cursor, _known(_locked(cursor, order_id), order_id))
    return _answer(kept)


def commit_stock(*, order_id: UUID) -> ReservationState:
    """Move PAYING to COMMITTED: the stock counts as sold. COMMITTED is answered as it is.

    Raises: ReservationClosed(status), InsufficientStock, ReservationNotFound, InventoryUnavailable.
    """
    with ledger.unit_of_work() as cursor:
        kept = _known(_locked(cursor, order_id), order_id)
        if kept.status == Status.HELD:
            raise ReservationClosed("payment of this order has not begun", status=kept.status)
        if kept.status == Status.PAYING:
            kept = _move(
                cursor, kept, Status.COMMITTED, StockCommitted(order_id=order_id, lines=kept.lines), ledger.COMMIT
            )
    return _answer(kept)


def release_stock(*, order_id: UUID) -> ReservationState:
    """Move HELD, PAYING or COMMITTED to RELEASED and free the stock; with nothing there, leave a tombstone.

    Call it only once the order's payment is fenced. Whatever is closed already is answered as it is.
    Raises: InventoryUnavailable.
    """
    with ledger.unit_of_work() as cursor:
        kept = _locked(cursor, order_id) or _buried(cursor, order_id)
        if kept.status in (Status.HELD, Status.PAYING, Status.COMMITTED):
            step = ledger.RELEASE_SOLD if kept.status == Status.COMMITTED else ledger.RELEASE
            kept = _move(cursor, kept, Status.RELEASED, StockReleased(order_id=order_id, lines=kept.lines), step)
    return kept.state()


def return_stock(*, order_id: UUID) -> ReservationState:
    """Move COMMITTED to RETURNED: what was sold can be sold again; with nothing there, leave a tombstone.

    HELD and PAYING have sold nothing and are answered as they are: only `release_stock` frees them, later, once the
    payment is fenced. So is whatever is closed already.
    Raises: InventoryUnavailable.
    """
    with ledger.unit_of_work() as cursor:
        kept = _locked(cursor, order_id) or _buried(cursor, order_id)
        if kept.status == Status.COMMITTED:
            kept = _move(
                cursor, kept, Status.RETURNED, StockReturned(order_id=order_id, lines=kept.lines), ledger.RETURN
            )
    return kept.state()


@dataclass(frozen=True)
class _Kept:
    """A reservation under our lock."""

    order_id: UUID
    status: str
    expires_at: datetime | None
    lines: tuple[Line, ...]
    overdue: bool = False
    shortage: Shortage | None = None

    def state(self) -> ReservationState:
        return ReservationState(self.order_id, self.status, self.expires_at, self.lines)


class _Short(Exception):
    """Roll the attempt back: a line cannot be met, unless by freeing the expired holds of these orders."""

    def __init__(self, shortage: Shortage, expired: Sequence[UUID]) -> None:
        super().__init__(shortage)
        self.shortage, self.expired = shortage, expired


def _answer(kept: _Kept) -> ReservationState:
    """Return the reservation, or refuse with what is on record. Call it after the commit: it may raise."""
    if kept.shortage:
        raise InsufficientStock(
            f"{kept.shortage.wanted} of {kept.shortage.sku} wanted, {kept.shortage.available} available",
            sku=kept.shortage.sku,
            wanted=kept.shortage.wanted,
            available=kept.shortage.available,
        )
    if kept.status in TOMBSTONES:
        raise ReservationClosed(f"the reservation is {Status(kept.status).label}", status=kept.status)
    return kept.state()


def _reserve(order_id: UUID, wanted: tuple[Line, ...], for_payment: bool) -> _Kept:
    """Insert the reservation, then lock and take its stock. Raises: _Short, with nothing written."""
    status = Status.PAYING if for_payment else Status.HELD
    with ledger.unit_of_work() as cursor:
        expires_at = _inserted(cursor, order_id, status, wanted, ttl_seconds=settings.RESERVATION_TTL_SECONDS)
        if expires_at is None:
            return _reserve_again(cursor, order_id, wanted, for_payment)
        publish(
            StockReserved(order_id=order_id, status=status.value, lines=wanted),
            aggregate_id=order_id,
            aggregate_version=1,
        )
        before = ledger.lock(cursor, [line.sku for line in wanted])
        if unsold := tuple(sku for sku, level in before.items() if not level.active):
            raise UnknownProduct(f"not for sale: {', '.join(unsold)}", skus=unsold)
        if short := rules.shortages(wanted, {sku: level.available for sku, level in before.items()}):
            # Asked while the stock is locked: an expiry that is under way shows here or in what is available.
            raise _Short(short[0], expiry.expired_holds(cursor, skus=[shortage.sku for shortage in short]))
        after = ledger.move(cursor, ledger.RESERVE, [(order_id, line) for line in wanted])
        for sku, level in before.items():
            ledger.tell_if_low(level, after[sku])
    log.info("stock.reserved", order_id=str(order_id), status=status.value)
    return _Kept(order_id, status.value, expires_at, wanted)


def _reserve_again(cursor: CursorWrapper, order_id: UUID, wanted: tuple[Line, ...], for_payment: bool) -> _Kept:
    """Answer a repeated call from what is on record."""
    kept = _known(_locked(cursor, order_id), order_id)
    if kept.lines and kept.lines != wanted:
        raise ReservationMismatch(order_id=order_id)
    if kept.status == Status.HELD and (for_payment or kept.overdue):
        return _begin_payment(cursor, kept)
    return kept


def _record_shortage(order_id: UUID, wanted: tuple[Line, ...], shortage: Shortage) -> _Kept:
    """Write that the order was refused, unless somebody answered it otherwise meanwhile."""
    with ledger.unit_of_work() as cursor:
        inserted = _inserted(cursor, order_id, Status.SHORT, wanted, shortage=shortage)
        if inserted is None:
            return _reserve_again(cursor, order_id, wanted, for_payment=False)
        publish(
            StockShort(order_id=order_id, sku=shortage.sku, wanted=shortage.wanted, available=shortage.available),
            aggregate_id=order_id,
            aggregate_version=1,
        )
    log.info("stock.short", order_id=str(order_id), sku=shortage.sku, wanted=shortage.wanted)
    return _Kept(order_id, Status.SHORT.value, None, wanted, shortage=shortage)


def _begin_payment(cursor: CursorWrapper, kept: _Kept) -> _Kept:
    if kept.status != Status.HELD:
        return kept
    if kept.overdue:
        lapsed = StockExpired(order_id=kept.order_id, lines=kept.lines)
        return _move(cursor, kept, Status.EXPIRED, lapsed, ledger.EXPIRE)
    return _move(cursor, kept, Status.PAYING, StockPaymentBegan(order_id=kept.order_id))


def _move(cursor: CursorWrapper, kept: _Kept, to: Status, event: Event, step: ledger.Move | None = None) -> _Kept:
    """Change the status, publish, and move the stock of every line. The row is locked, so the change must succeed."""
    if change_status(Reservation, kept.order_id, expected={kept.status}, to=to, event=event) is None:
        raise RuntimeError(f"reservation {kept.order_id} moved under our lock")
    if step is not None:
        ledger.move(cursor, step, [(kept.order_id, line) for line in kept.lines])
    transactions.after_commit("inventory", lambda: log.info(event.type, order_id=str(kept.order_id)))
    return replace(kept, status=to.value)


def _locked(cursor: CursorWrapper, order_id: UUID) -> _Kept | None:
    """Lock and return an order's reservation; None where there is none."""
    cursor.execute(
        "SELECT status, expires_at, coalesce(expires_at <= now(), false), short_sku, short_wanted, short_available,"
        " (SELECT json_agg(json_build_array(line.sku, line.quantity)) FROM inventory_reservationline AS line"
        "  WHERE line.reservation_id = order_id)::text"
        " FROM inventory_reservation WHERE order_id = %s FOR UPDATE",
        [order_id],
    )
    row = cursor.fetchone()
    if row is None:
        return None
    status, expires_at, overdue, short_sku, short_wanted, short_available, lines = row
    return _Kept(
        order_id=order_id,
        status=status,
        expires_at=expires_at,
        overdue=overdue,
        lines=tuple(Line(*pair) for pair in sorted(json.loads(lines or "[]"))),
        shortage=Shortage(short_sku, short_wanted, short_available) if status == Status.SHORT else None,
    )


def _known(kept: _Kept | None, order_id: UUID) -> _Kept:
    if kept is None:
        raise ReservationNotFound(f"order {order_id} has no reservation", order_id=order_id)
    return kept


def _buried(cursor: CursorWrapper, order_id: UUID) -> _Kept:
    """Write the tombstone of an order that has reserved nothing; if it just did, lock and return that instead."""
    if _inserted(cursor, order_id, Status.RELEASED, ()) is None:
        return _known(_locked(cursor, order_id), order_id)
    publish(StockReleased(order_id=order_id, lines=()), aggregate_id=order_id, aggregate_version=1)
    return _Kept(order_id, Status.RELEASED.value, None, ())


def _inserted(
    cursor: CursorWrapper,
    order_id: UUID,
    status: Status,
    lines: Sequence[Line],
    *,
    ttl_seconds: float | None = None,
    shortage: Shortage | None = None,
) -> datetime | None:
    """Insert a reservation with its lines; return its expiry (or the present), None where the order has one already.

    Of two concurrent calls for one order the second waits here until the first has ended.
    """
    cursor.execute(
        "WITH kept AS (INSERT INTO inventory_reservation (order_id, status, version, expires_at, short_sku,"
        "  short_wanted, short_available) VALUES (%s, %s, 1, now() + make_interval(secs => %s), %s, %s, %s)"
        "  ON CONFLICT (order_id) DO NOTHING RETURNING order_id, expires_at),"
        " lines AS (INSERT INTO inventory_reservationline (reservation_id, sku, quantity) SELECT kept.order_id,"
        "  line.sku, line.quantity FROM kept, unnest(%s::text[], %s::int[]) AS line (sku, quantity))"
        " SELECT coalesce(expires_at, now()) FROM kept",
        [
            order_id,
            status.value,
            ttl_seconds,
            shortage.sku if shortage else "",
            shortage.wanted if shortage else None,
            shortage.available if shortage else None,
            [line.sku for line in lines],
            [line.quantity for line in lines],
        ],
    )
    row = cursor.fetchone()
    return row[0] if row else None
