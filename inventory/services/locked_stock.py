"""Stock that somebody has locked for long: whoever wants it waits outside of the batches, holds nothing, and is one of few.

A transaction that waits keeps what it has locked before, and its caller keeps a thread, a connection and a place among
the orders at work. None of these is spared where every order of one locked product waits. See ADR 0022.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from inventory.queries import InventoryBusy
from inventory.services import ledger

# Of one process, for one SKU.
MOST_WAITING = 2
# SKUs that one use case waits for briefly to learn whether they stay locked: about a second.
MOST_TRIED = 3

_lock = threading.Lock()
_waiting: Counter[str] = Counter()


def is_awaited(skus: Collection[str]) -> bool:
    """Return whether somebody in this process waits for one of these SKUs."""
    return any(sku in _waiting for sku in skus)


def refuse_if_full(skus: Collection[str]) -> None:
    """Insist that one more may wait for each of these SKUs. Raises: InventoryBusy."""
    if any(_waiting.get(sku, 0) >= MOST_WAITING for sku in skus):
        raise InventoryBusy


def wait_until_free(skus: Collection[str], patience: ledger.Patience) -> None:
    """Wait until those of these SKUs that are locked now have been free, one after the other; lock none of them for longer.

    Raises: InventoryBusy, also where so many wait already; InventoryUnavailable.
    """
    for sku in ledger.find_locked(skus):
        with _place(sku):
            ledger.wait_for(sku, patience=patience.left())


def find_locked_for_long(skus: Collection[str]) -> set[str]:
    """Return those of these SKUs that stay locked for longer than briefly; lock none of them for longer than a moment.

    Stock in great demand is nearly always locked, and free for whoever waits for it. Where many are locked, only the first
    few are waited for, and the others returned unasked. Raises: InventoryBusy, InventoryUnavailable.
    """
    locked = ledger.find_locked(skus)
    return {sku for sku in locked[:MOST_TRIED] if _stays_locked(sku)} | set(locked[MOST_TRIED:])


def _stays_locked(sku: str) -> bool:
    try:
        ledger.wait_for(sku, patience=ledger.brief_patience())
    except InventoryBusy:
        return True
    return False


@contextmanager
def _place(sku: str) -> Iterator[None]:
    with _lock:
        refuse_if_full([sku])
        _waiting[sku] += 1
    try:
        yield
    finally:
        with _lock:
            _waiting[sku] -= 1
            if not _waiting[sku]:
                del _waiting[sku]
