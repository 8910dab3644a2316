"""What many orders ask of stock at the same time, answered in one transaction (see shop.coalescing)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from inventory.services import ledger
from inventory.services import reservation_store as store
from inventory.services.reservation_store import Asked, Kept, Wish
from shop.coalescing import Batch

# A batch waits less for a lock than one order does: behind it wait orders that don't want what is locked.
SHARE_OF_PATIENCE = 1 / 3


def _reserve(wishes: Sequence[Wish]) -> dict[UUID, Kept]:
    """Reserve for as many of these orders as there is stock for, first come first served, each whole or not at all."""
    patience = ledger.patience(share=SHARE_OF_PATIENCE)
    with store.one_statement():
        kept = store.reserve(wishes, patience=patience)
    return kept or (_reserve_first_come(wishes) if len(wishes) > 1 else {})


def _reserve_first_come(wishes: Sequence[Wish]) -> dict[UUID, Kept]:
    patience = ledger.patience(share=SHARE_OF_PATIENCE)
    skus = {line.sku for wish in wishes for line in wish.event.lines}
    with ledger.unit_of_work(patience) as cursor:
        levels = ledger.lock(cursor, sorted(skus))
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
    with store.one_statement():
        return store.move(store.COMMIT, asked, patience=ledger.patience(share=SHARE_OF_PATIENCE))


RESERVATIONS = Batch("inventory", "reserve_stock", key=lambda wish: wish.event.order_id, run=_reserve)
COMMITS = Batch("inventory", "commit_stock", key=lambda asked: asked.order_id, run=_commit)
