"""The business's own figures about stock that a database cannot be asked for later."""

from __future__ import annotations

from prometheus_client import Counter

EXPIRED = Counter("shop_reservations_expired", "Holds that nobody began to pay for in time")
