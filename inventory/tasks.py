"""Inventory's background work."""

from __future__ import annotations

from inventory import api
from shop.work.sweeps import sweep
from shop.work.turn import take_turn_in_sets

# One statement's worth of holds; between two of them the turn looks at its time.
SET = 500
OVERDUE = {
    "inventory": "EXISTS (SELECT 1 FROM inventory_reservation WHERE status = 'HELD' AND expires_at <= now())",
}


@sweep(every_seconds=5, due=lambda: OVERDUE)
def release_expired_reservations() -> int:
    """Free the stock of expired holds, a set at a time. Housekeeping: whoever needs that stock sooner frees it.

    Holds of products whose stock somebody keeps locked are left for the next turn.
    """
    locked: set[str] = set()
    return take_turn_in_sets(
        sweep="inventory.release_expired_reservations",
        context="inventory",
        step=lambda: api.release_expired_reservations(limit=SET, locked=locked),
    )
