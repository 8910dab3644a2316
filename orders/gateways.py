"""The other contexts as orders calls them: each behind a breaker, so that one that fails is not leaned on."""

from __future__ import annotations

from shop.resilience.breaker import Breaker

inventory_breaker = Breaker("inventory")
