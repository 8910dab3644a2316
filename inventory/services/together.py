"""What many orders ask of stock at the same time, answered in one transaction (see shop.coalescing)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from inventory.queries import InventoryBusy
from inventory.services import ledger
from inventory.services import reservation_store as store
from inventory.services.reservation_store import Asked, Kept, Wish
from shop.coalescing import Batch


def _reserve(wishes: Sequence[Wish]) -> dict[UUID, Kept]:
    """Reserve for as many of these orders as there is stock for, first come first served, each whole or not at all.

    Behind a batch wait orders that don't want what is locked: it waits briefly, and then leaves out those who do.
    """
    try:
        with store.one_statement():
            kept = store.reserve(wishes, patience=ledger.brief_patience())
    except InventoryBusy:
        return _reserve_first_come(wishes, skip_locked=True)
    return kept or (_reserve_first_come(wishes, skip_locked=False) if len(wishes) > 1 else {})


def _reserve_first_come(wishes: Sequence[Wish], *, skip_locked: bool) -> dict[UUID, Kept]:
    patience = ledger.brief_patience()
    skus = {line.sku for wish in wishes for line in wish.event.lines}
    with ledger.unit_of_work(patience) as cursor:
        levels = ledger.lock(cursor, sorted(skus), skip_locked=skip_locked)
        met = first_come(wishes, {sku: level.available for sku, level in levels.items() if level.active})
        return store.reserve(met, patience=patience) if met else {}


def first_come(wishes: Sequence[Wish], available: dict[str, int]) -> list[Wish]:
    """Return the wishes that the stock suffices for: the first come first, each whole or not at all."""
    met = []
    for wish in wishes:
        if all(available.get(line.sku, 0) >= line.quantity for line in wish.event.lines):
            for line in wish.event.lines:
                available[line.sku] -= line.quantity
            met.append(wish)
    return met


def _commit(asked: Sequence[Asked]) -> dict[UUID, Kept]:
    """Commit the stock of these orders, or of none of them where some of it stays locked: each then goes alone."""
    try:
        with store.one_statement():
            return store.move(store.COMMIT, asked, patience=ledger.brief_patience())
    except InventoryBusy:
        return {}


RESERVATIONS = Batch("inventory", "reserve_stock", key=lambda wish: wish.event.order_id, run=_reserve)
COMMITS = Batch("inventory", "commit_stock", key=lambda asked: asked.order_id, run=_commit)
