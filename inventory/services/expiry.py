"""Use cases of time: free the stock of holds that nobody began to pay for. The database's clock alone decides."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from uuid import UUID

import structlog
from django.db.backends.utils import CursorWrapper

from inventory.metrics import EXPIRED
from inventory.queries import InventoryBusy
from inventory.services import ledger, locked_stock
from inventory.services import reservation_store as store
from inventory.services.reservation_store import Asked, Kept

log = structlog.get_logger(__name__)

# Holds that one transaction expires: their stock stays locked for about 50 ms.
BATCH = 500
SWEEP_SECONDS = 10.0
# Each leaves out what it finds locked: a second one meets only a lock that began meanwhile.
TRIES = 3


def release_expired_reservations(*, limit: int | None = None, locked: set[str] | None = None) -> int:
    """Expire holds whose time is over, the oldest first, at most `limit` and for about 10 seconds; return how many.

    May run anywhere, any number at once: each skips what another has locked. Holds of the SKUs in `locked` are left for
    later. A SKU whose stock stays locked for longer than briefly is added to them, for the caller's next call.
    Raises: InventoryBusy, InventoryUnavailable.
    """
    left: set[str] = set() if locked is None else locked
    expired, ends = 0, time.monotonic() + SWEEP_SECONDS
    while limit is None or expired < limit:
        size = BATCH if limit is None else min(BATCH, limit - expired)
        done = _expire_free(size, left)
        expired += done
        if done < size or time.monotonic() > ends:
            break
    return expired


def expire_reservations(*, order_ids: Sequence[UUID], locked: set[str]) -> int:
    """Expire those of these holds that are HELD and overdue, waiting briefly for whoever has them or their stock locked.

    One that was overdue when it was looked up may have been extended since, and stays. Where the wait is longer, only
    those of free products expire, and the SKUs of the others are added to `locked`.
    Raises: InventoryBusy, InventoryUnavailable.
    """
    try:
        with store.one_statement():
            expired = _expire(order_ids)
    except InventoryBusy:
        return _expire_free(len(order_ids), locked, among=order_ids)
    _tell_expired(len(expired))
    return len(expired)


def _expire_free(size: int, locked: set[str], *, among: Sequence[UUID] | None = None) -> int:
    """Expire the oldest holds without a SKU in `locked`, and add to it what turns out to be locked."""
    for _ in range(TRIES):
        holds: dict[UUID, list[str]] = {}
        try:
            with ledger.unit_of_work() as cursor:
                holds = lock_overdue(cursor, size, without=locked, among=among)
                expired = _expire(list(holds)) if holds else {}
        except InventoryBusy:
            # Waited for here, it would keep the products that come before it from their buyers.
            found = locked_stock.find_locked_for_long({sku for skus in holds.values() for sku in skus})
            if found:
                log.warning("reservations.left", skus=sorted(found))
            locked |= found
        else:
            _tell_expired(len(expired))
            return len(expired)
    raise InventoryBusy


def _expire(order_ids: Sequence[UUID]) -> dict[UUID, Kept]:
    asked = [Asked.of(order_id) for order_id in order_ids]
    return store.move(store.EXPIRE, asked, patience=ledger.brief_patience())


def lock_overdue(
    cursor: CursorWrapper, size: int, *, without: Collection[str] = (), among: Sequence[UUID] | None = None
) -> dict[UUID, list[str]]:
    """Lock the oldest holds whose time is over, and return their SKUs by order; skips those that somebody else has locked.

    Leaves out holds with a SKU of `without`, and those that are not `among` these orders, where any are given.
    """
    these = None if among is None else list(among)
    # ARRAY(...): found by index, hold after hold, however many lines the planner expects.
    cursor.execute(
        "SELECT r.order_id, kept.skus FROM inventory_reservation AS r, LATERAL (SELECT ARRAY("
        "  SELECT l.sku::text FROM inventory_reservationline AS l WHERE l.reservation_id = r.order_id) AS skus) AS kept"
        " WHERE r.status = 'HELD' AND r.expires_at <= now()"
        " AND NOT (kept.skus && %s::text[]) AND (%s::uuid[] IS NULL OR r.order_id = ANY(%s::uuid[]))"
        " ORDER BY r.expires_at LIMIT %s FOR UPDATE OF r SKIP LOCKED",
        [list(without), these, these, size],
    )
    return dict(cursor.fetchall())


def _tell_expired(count: int) -> None:
    if count:
        EXPIRED.inc(count)
        log.info("reservations.expired", count=count)
