"""Use cases of an order's stock: reserve, extend the hold, begin payment, commit, release, return.

Each is idempotent by the order's id, and each step is one statement, which is one transaction. Each undo accepts
"nothing there" and leaves a tombstone, so that a reservation asked for late finds the door shut.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar
from uuid import UUID

import structlog
from django.conf import settings

from inventory import rules
from inventory.events import StockReserved
from inventory.models import TOMBSTONES, ReservationStatus
from inventory.queries import (
    InventoryBusy,
    InventoryUnavailable,
    ReservationNotFound,
    ReservationState,
    UnknownProduct,
)
from inventory.rules import Line
from inventory.services import expiry, ledger, locked_stock
from inventory.services import reservation_store as store
from inventory.services.reservation_store import Asked, Change, Kept, Wish
from inventory.services.together import COMMITS, RESERVATIONS
from shop.coalescing import Batch, NotAnswered, QueueFull
from shop.errors import Refusal

W = TypeVar("W")

log = structlog.get_logger(__name__)


class InsufficientStock(Refusal):
    """There is less of a SKU than the order wants; the refusal is on record, and asking again gets the same answer."""

    code = "insufficient_stock"
    title = "Not enough in stock"
    fact_types = {"sku": str, "wanted": int, "available": int}


class ReservationClosed(Refusal):
    """The reservation stands in a status that this step cannot start from."""

    code = "reservation_closed"
    title = "The reservation is closed"
    fact_types = {"status": str}


class ReservationMismatch(Refusal):
    """The order has a reservation for other lines; an order's lines never change."""

    code = "reservation_mismatch"
    title = "The order already has a reservation for different lines"
    fact_types = {"order_id": UUID}


def reserve_stock(*, order_id: UUID, lines: Sequence[Line], for_payment: bool) -> ReservationState:
    """Keep stock for an order, all lines or nothing; HELD until it expires, or PAYING with `for_payment`.

    Idempotent by `order_id`; asked again with `for_payment`, a HELD reservation begins payment. A refusal for want of
    stock is recorded. Takes one statement where there is enough.

    Raises: InsufficientStock(sku, wanted, available), ReservationClosed(status), ReservationMismatch, UnknownProduct,
    InvalidQuantity, InventoryBusy, InventoryUnavailable.
    """
    wanted = rules.summed(lines)
    status = ReservationStatus.PAYING if for_payment else ReservationStatus.HELD
    wish = Wish.of(StockReserved(order_id=order_id, status=status.value, lines=wanted))
    patience = ledger.Patience()

    def alone() -> Kept:
        return _reserve(wish, patience) or left()

    def left() -> Kept:
        return _reserve_or_refuse(wish, for_payment, patience)

    # A batch would wait for what these wait for.
    awaited = locked_stock.is_awaited([line.sku for line in wanted])
    return _answer(alone() if awaited else _ask(RESERVATIONS, wish, alone=alone, left=left))


def extend_hold(*, order_id: UUID, seconds: int) -> ReservationState:
    """Let a hold last so much longer, once: one that was extended before is answered as it is.

    So are PAYING and COMMITTED, which do not expire. A hold whose time is over becomes EXPIRED and is refused.
    Raises: ReservationClosed(status), InsufficientStock, ReservationNotFound, InventoryBusy, InventoryUnavailable.
    """
    return _answer(_extend_hold(order_id, seconds))


def begin_payment(*, order_id: UUID) -> ReservationState:
    """Move HELD to PAYING, from where nothing expires. PAYING and COMMITTED are answered as they are.

    A hold whose time is over becomes EXPIRED and is refused.
    Raises: ReservationClosed(status), InsufficientStock, ReservationNotFound, InventoryBusy, InventoryUnavailable.
    """
    return _answer(_begin_payment(order_id))


def commit_stock(*, order_id: UUID) -> ReservationState:
    """Move PAYING to COMMITTED: the stock counts as sold. COMMITTED is answered as it is.

    Raises: ReservationClosed(status), InsufficientStock, ReservationNotFound, InventoryBusy, InventoryUnavailable.
    """

    def look_first() -> Kept:
        kept = _known(order_id)
        if kept.status == ReservationStatus.HELD:
            raise ReservationClosed("payment of this order has not begun", status=kept.status)
        return commit() if kept.status == ReservationStatus.PAYING else kept

    def commit() -> Kept:
        return _move(order_id, store.COMMIT) or look_first()

    return _answer(_ask(COMMITS, Asked.of(order_id), alone=commit, left=look_first))


def release_stock(*, order_id: UUID) -> ReservationState:
    """Move HELD, PAYING or COMMITTED to RELEASED and free the stock; with nothing there, leave a tombstone.

    Call it only once the order's payment is fenced. Whatever is closed already is answered as it is.
    Raises: InventoryBusy, InventoryUnavailable.
    """
    return _undo(order_id, store.RELEASE)


def return_stock(*, order_id: UUID) -> ReservationState:
    """Move COMMITTED to RETURNED: what was sold can be sold again; with nothing there, leave a tombstone.

    HELD and PAYING have sold nothing and are answered as they are: only `release_stock` frees them, later, once the
    payment is fenced. So is whatever is closed already.
    Raises: InventoryBusy, InventoryUnavailable.
    """
    return _undo(order_id, store.RETURN)


def _answer(kept: Kept) -> ReservationState:
    """Return the reservation, or refuse with what is on record."""
    _log(kept)
    if kept.shortage:
        raise InsufficientStock(
            f"{kept.shortage.wanted} of {kept.shortage.sku} wanted, {kept.shortage.available} available",
            sku=kept.shortage.sku,
            wanted=kept.shortage.wanted,
            available=kept.shortage.available,
        )
    if kept.status in TOMBSTONES:
        raise ReservationClosed(f"the reservation is {ReservationStatus(kept.status).label}", status=kept.status)
    return kept.state()


def _ask(batch: Batch[W, Kept], wish: W, *, alone: Callable[[], Kept], left: Callable[[], Kept]) -> Kept:
    """Have a batch answer, or go alone. Raises: InventoryBusy, InventoryUnavailable, and what going alone raises."""
    try:
        return batch.ask(wish, seconds=settings.BREAKER_TIMEOUT_SECONDS, alone=alone, left=left)
    except QueueFull as error:
        raise InventoryBusy from error
    except NotAnswered as error:
        raise InventoryUnavailable from error


def _reserve(wish: Wish, patience: ledger.Patience) -> Kept | None:
    """Reserve in one statement; None, with nothing written, where it takes more than that.

    While stock that it wants is locked for longer than briefly, it has locked nothing else. Raises: InventoryBusy, also at
    once where enough orders wait for it.
    """
    skus = [line.sku for line in wish.event.lines]
    locked_stock.refuse_if_full(skus)
    try:
        return _try_to_reserve(wish, ledger.brief_patience())
    except InventoryBusy:
        locked_stock.wait_until_free(skus, patience)
    return _try_to_reserve(wish, patience.left())


def _try_to_reserve(wish: Wish, patience: str) -> Kept | None:
    with store.one_statement():
        return store.reserve([wish], patience=patience).get(wish.event.order_id)


def _reserve_or_refuse(wish: Wish, for_payment: bool, patience: ledger.Patience) -> Kept:
    """Reserve for an order that did not get its stock at once, freeing expired holds, or put the refusal on record.

    While expired holds keep some of what is wanted, it is never refused: they are freed, a batch a round. Holds with a
    locked product are freed last, and waited for while nothing is locked here.
    Raises: UnknownProduct; InventoryBusy where that takes too long.
    """
    order_id, wanted = wish.event.order_id, wish.event.lines
    locked: set[str] = set()
    while True:
        verdict = store.refuse(order_id, wanted, most_expired=expiry.BATCH)
        if verdict.known:
            return _reserve_again(wish, for_payment)
        if verdict.unsold:
            raise UnknownProduct(f"not for sale: {', '.join(verdict.unsold)}", skus=verdict.unsold)
        if verdict.refused:
            return verdict.refused
        if verdict.expired:
            expiry.expire_reservations(order_ids=verdict.expired, locked=locked)
        if kept := _reserve(wish, patience):
            return kept
        if patience.is_over():
            raise InventoryBusy
        if locked:
            locked_stock.wait_until_free(locked, patience)
            locked.clear()


def _reserve_again(wish: Wish, for_payment: bool) -> Kept:
    """Answer a repeated call from what is on record."""
    kept = _known(wish.event.order_id)
    if kept.lines and kept.lines != wish.event.lines:
        raise ReservationMismatch(order_id=kept.order_id)
    if kept.status == ReservationStatus.HELD and (for_payment or kept.overdue):
        return _begin_payment(kept.order_id)
    return kept


# A status only moves on, never back, so each loop over what is on record ends.
def _begin_payment(order_id: UUID) -> Kept:
    while (kept := store.begin_payment(order_id)) is None:
        kept = _known(order_id)
        if kept.status != ReservationStatus.HELD:
            return kept
        if kept.overdue and (expired := _move(order_id, store.EXPIRE)):
            return expired
    return kept


def _extend_hold(order_id: UUID, seconds: int) -> Kept:
    while (kept := store.extend(order_id, seconds=seconds)) is None:
        kept = _known(order_id)
        if kept.status != ReservationStatus.HELD:
            return kept
        if kept.overdue:
            if expired := _move(order_id, store.EXPIRE):
                return expired
        elif kept.extended:
            return kept
    return kept


def _undo(order_id: UUID, change: Change) -> ReservationState:
    """Move the reservation where it stands in one of the change's statuses, and bury it where there is none."""
    while True:
        kept = store.find(order_id)
        if kept is None:
            done = store.bury(order_id)
        elif kept.status in change.steps:
            done = _move(order_id, change)
        else:
            done = kept
        if done:
            _log(done)
            return done.state()


def _move(order_id: UUID, change: Change) -> Kept | None:
    """Move the reservation and its stock; None where it does not stand where the change starts from.

    Waits for locked stock as `_reserve` does. Raises: InventoryBusy, InventoryUnavailable.
    """
    patience = ledger.Patience()
    try:
        return _try_to_move(order_id, change, ledger.brief_patience())
    except InventoryBusy:
        kept = store.find(order_id)
        locked_stock.wait_until_free([line.sku for line in kept.lines] if kept else [], patience)
    return _try_to_move(order_id, change, patience.left())


def _try_to_move(order_id: UUID, change: Change, patience: str) -> Kept | None:
    with store.one_statement():
        return store.move(change, [Asked.of(order_id)], patience=patience).get(order_id)


def _known(order_id: UUID) -> Kept:
    kept = store.find(order_id)
    if kept is None:
        raise ReservationNotFound(f"order {order_id} has no reservation", order_id=order_id)
    return kept


def _log(kept: Kept) -> None:
    if kept.told:
        short = {"sku": kept.shortage.sku, "wanted": kept.shortage.wanted} if kept.shortage else {}
        log.info(kept.told, order_id=str(kept.order_id), status=kept.status, **short)
