"""Which sweeps are on an order's way."""

from __future__ import annotations

from shop.work.sweeps import Sweep, sweeps

# What looks back over everything, tidies up, or needs a broker.
ASIDE = frozenset(
    {
        "shop.prune_events",
        "shop.publish_unheard",
        "shop.prune_history",
        "shop.prune_idempotency_keys",
        "shop.prune_sessions",
        "shop.prune_guests",
        "shop.prune_staff_log",
        "shop.erase_aged_contacts",
        "shop.collect_dead_letters",
        "payments.prune_webhooks",
        "payments.reconcile_recent",
    }
)


def order_sweeps() -> list[Sweep]:
    """Return the sweeps of an order's way."""
    return [sweep for sweep in sweeps() if sweep.name not in ASIDE]
