"""How long a fact takes from its commit until a subscriber has applied it: outbox, broker, queue and worker together."""

from __future__ import annotations

from datetime import datetime

from prometheus_client import Histogram

from shop.clock import now

HEARD_SECONDS = Histogram(
    "shop_event_heard_seconds",
    "Seconds from a fact until a subscriber of the context applied it",
    ["context"],
    buckets=(0.1, 0.5, 1, 2, 5, 15, 30, 60, 300, 1800),
)


def note(context: str, occurred_at: datetime) -> None:
    """Note that a subscriber of the context has applied a fact."""
    # The clocks of two machines differ by a little.
    HEARD_SECONDS.labels(context).observe(max(0.0, (now() - occurred_at).total_seconds()))
