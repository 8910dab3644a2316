"""`python -m tests.load.bus_jobs JOB ...`: what the bus rows have done in processes of their own; each prints JSON."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4


def main() -> None:
    job, *arguments = sys.argv[1:]
    jobs: dict[str, Callable[..., dict[str, Any]]] = {
        "fill": _fill,
        "relay": _relay,
        "apply_async": _apply_async,
        "forget": _forget,
    }
    sys.stdout.write(json.dumps(jobs[job](*map(int, arguments))))


def _django() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.load.settings")
    import django

    django.setup()


def _fill(count: int) -> dict[str, int]:
    """Write so many facts of so many orders to the outbox, a transaction for every hundred."""
    _django()
    from orders.events import OrderConfirmed
    from shop import transactions
    from shop.events.publishing import publish
    from shop.money import Money

    for _hundred in range(count // 100):
        with transactions.transaction("orders"):
            for _each in range(100):
                order_id = uuid4()
                publish(
                    OrderConfirmed(order_id=order_id, total=Money(1250, "EUR")),
                    aggregate_id=order_id,
                    aggregate_version=4,
                )
    return {"filled": count}


def _relay() -> dict[str, float]:
    """Publish all that waits, each message confirmed."""
    _django()
    from shop.events import relay
    from shop.events.transport import transport

    transport().send([])  # opens the connection and declares what is not there yet
    relay.drain("payments")  # nothing there
    began = time.monotonic()
    published = relay.drain("orders")
    took = time.monotonic() - began
    return {"published": published, "per_second": published / took, "cpu_ms": 1000 * time.process_time() / published}


def _apply_async(count: int) -> dict[str, float]:
    """Send tasks one at a time, each confirmed by the broker before the next."""
    from tests.load import bare

    body = {"subscriber": "notifications.tell", "attributes": {"order_id": str(uuid4()), "data": "x" * 300}}
    bare.nothing.apply_async(kwargs=body)
    began = time.monotonic()
    for _each in range(count - 1):
        bare.nothing.apply_async(kwargs=body)
    return {"sent": count, "per_second": (count - 1) / (time.monotonic() - began)}


def _forget() -> dict[str, int]:
    """Delete the bare queue."""
    from tests.driver.rabbitmq import channel_of
    from tests.load import bare

    with channel_of(bare.app.connection_for_read()) as channel:
        channel.queue_delete(bare.QUEUE.name)
    return {}


if __name__ == "__main__":
    main()
