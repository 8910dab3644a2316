"""Business figures about orders."""

from __future__ import annotations

from datetime import datetime

from prometheus_client import Counter, Histogram

from shop.clock import now

ORDERS = Counter("shop_orders", "Orders that reached an outcome: confirmed, or why not", ["outcome"])
CHECKOUT_SECONDS = Histogram(
    "shop_checkout_seconds",
    "From placing an order to its confirmation, or to the end of its cancellation",
    ["outcome"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 1800),
)

# Create the series at start-up: an alert on a ratio sees nothing while the counter does not exist.
ORDERS.labels("confirmed")


def count_outcome(*, outcome: str, placed_at: datetime) -> None:
    """Count an order that reached its outcome."""
    ORDERS.labels(outcome).inc()
    CHECKOUT_SECONDS.labels(outcome).observe((now() - placed_at).total_seconds())
