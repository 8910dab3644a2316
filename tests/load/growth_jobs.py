"""`python -m tests.load.growth_jobs staff|serve`: what the row `growth` has done in a process of the shop.

`serve` reads the name of a job a line, does it once, and prints DONE with the milliseconds of what it did as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time

EVENTS = 100
# What a line of results begins with; other lines are logs.
DONE = "done "


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.load.settings")
    import django

    django.setup()
    if sys.argv[1] == "staff":
        from django.core.management import call_command

        call_command("seed_demo", verbosity=0)
        return
    jobs = {"sweeping": _sweep, "relaying": _relay, "metrics": _read_metrics}
    for line in sys.stdin:
        sys.stdout.write(f"{DONE}{json.dumps(jobs[line.strip()]())}\n")
        sys.stdout.flush()


def _sweep() -> dict[str, float]:
    """Run every sweep of the database that comes by each minute or more often, with nothing due."""
    from shop.work.sweeps import sweeps

    took = {}
    for sweep in sweeps():
        if sweep.every_seconds <= 60 and sweep.waits is None:
            began = time.monotonic()
            sweep.run()
            took[sweep.name] = 1000 * (time.monotonic() - began)
    return {"sweeping": sum(took.values())} | took


def _relay() -> dict[str, float]:
    """Relay facts that nobody here hears."""
    from uuid import uuid4

    from inventory.events import StockLow
    from shop import transactions
    from shop.events import relay
    from shop.events.publishing import publish

    with transactions.transaction("inventory"):
        for _each in range(EVENTS):
            product_id = uuid4()
            low = StockLow(product_id=product_id, sku="HOT", available=1, threshold=5)
            publish(low, aggregate_id=product_id, aggregate_version=1)
    began = time.monotonic()
    relay.drain("inventory")
    return {"relaying": 1000 * (time.monotonic() - began)}


def _read_metrics() -> dict[str, float]:
    """Read every figure that a scrape reads from the database; a scrape itself keeps them for some seconds."""
    from shop.observability.metrics import DatabaseCollector

    began = time.monotonic()
    families = list(DatabaseCollector().collect())
    took = 1000 * (time.monotonic() - began)
    if unread := [
        sample for family in families if family.name == "shop_figure_unreadable" for sample in family.samples
    ]:
        raise RuntimeError(f"figures that could not be read: {unread}")
    return {"metrics": took}


if __name__ == "__main__":
    main()
