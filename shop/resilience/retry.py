"""When to try again."""

from __future__ import annotations

import random


def backoff_seconds(attempt: int, *, first: float = 1.0, cap: float = 300.0) -> float:
    """Return how long to wait after failed attempt number `attempt` (1, 2, ...): doubling, capped, +/- 20 % jitter."""
    wait = min(cap, first * 2.0 ** min(attempt - 1, 32))
    return wait * random.uniform(0.8, 1.2)  # noqa: S311  jitter, not a secret
