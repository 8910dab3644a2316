"""Use cases of time: free the stock of holds that nobody began to pay for. The database's clock alone decides."""

from __future__ import annotations

import time
from collections.abc import Sequence
from uuid import UUID

import structlog
from django.db.backends.utils import CursorWrapper

from inventory.metrics import EXPIRED
from inventory.services import ledger
from inventory.services import reservation_store as store
from inventory.services.reservation_store import Asked, Kept

log = structlog.get_logger(__name__)

# Holds that one transaction expires: their stock stays locked for about 50 ms.
BATCH = 500
SWEEP_SECONDS = 10.0


def release_expired_reservations(*, limit: int | None = None) -> int:
    """Expire holds whose time is over, the oldest first, at most `limit` and for about 10 seconds; return how many.

    May run anywhere, any number at once: each skips what another has locked. Raises: InventoryBusy,
    InventoryUnavailable.
    """
    expired, ends = 0, time.monotonic() + SWEEP_SECONDS
    while limit is None or expired < limit:
        size = BATCH if limit is None else min(BATCH, limit - expired)
        done = _expire_oldest(size)
        expired += done
        if done < size or time.monotonic() > ends:
            break
    return expired


def expire_reservations(*, order_ids: Sequence[UUID]) -> int:
    """Expire those of these holds that are HELD and overdue, waiting for whoever has them locked.

    One that was overdue when it was looked up may have been extended since, and stays.
    """
    with store.one_statement():
        expired = _expire(order_ids)
    _tell_expired(len(expired))
    return len(expired)


def _expire_oldest(size: int) -> int:
    with ledger.unit_of_work() as cursor:
        order_ids = lock_overdue(cursor, size)
        expired = _expire(order_ids) if order_ids else {}
    _tell_expired(len(expired))
    return len(expired)


def _expire(order_ids: Sequence[UUID]) -> dict[UUID, Kept]:
    asked = [Asked.of(order_id) for order_id in order_ids]
    return store.move(store.EXPIRE, asked, patience=ledger.patience())


def lock_overdue(cursor: CursorWrapper, size: int) -> list[UUID]:
    """Lock the oldest holds whose time is over, without those that somebody else has locked."""
    cursor.execute(
        "SELECT order_id FROM inventory_reservation WHERE status = 'HELD' AND expires_at <= now()"
        " ORDER BY expires_at LIMIT %s FOR UPDATE SKIP LOCKED",
        [size],
    )
    return [row[0] for row in cursor.fetchall()]


def _tell_expired(count: int) -> None:
    if count:
        EXPIRED.inc(count)
        log.info("reservations.expired", count=count)
