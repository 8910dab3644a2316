"""Business figures about stock that the database cannot answer later."""

from __future__ import annotations

from prometheus_client import Counter

EXPIRED = Counter("shop_reservations_expired", "Holds that nobody began to pay for in time")
