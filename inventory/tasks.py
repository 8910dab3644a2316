"""Inventory's background work."""

from __future__ import annotations

from inventory import api
from shop.background import sweep


@sweep(every_seconds=5)
def release_expired_reservations() -> int:
    """Free the stock of expired holds. Housekeeping: whoever needs that stock sooner frees it."""
    return api.release_expired_reservations()
