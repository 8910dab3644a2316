"""From the commit of a fact to its handler, in round trips to the broker."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

from kombu import Connection, Consumer, Exchange, Message, Producer, Queue

from tests.load import generator, stages
from tests.load.bench import DRAIN_SECONDS, Bench
from tests.load.result import BARS, Row, ratio

SECONDS = 12.0
CLIENTS = 8
PINGS = 200
# From the fact's transaction to the transaction of the handler, first delivery only.
GAPS = """
SELECT extract(epoch FROM heard.received_at - told.occurred_at)::float8, told.aggregate_id::text, heard.context,
    extract(epoch FROM heard.received_at)::float8
FROM orders.orders_outbox AS told
JOIN (SELECT 'notifications' AS context, event_id, received_at FROM notifications.notifications_inbox
      UNION ALL SELECT 'shipping', event_id, received_at FROM shipping.shipping_inbox) AS heard USING (event_id)
WHERE told.type = 'order.confirmed' AND told.occurred_at >= %s ORDER BY 1
"""


def hearing(bench: Bench) -> list[Row]:
    """How long until those who hear of a confirmed order begin, at eight clients."""
    shop = bench.shop()
    round_trip = _round_trip(bench.cluster.broker_url)
    with shop.connect() as connection:
        since = connection.execute("SELECT now()").fetchone()[0]
        generator.load(shop, clients=CLIENTS, seconds=SECONDS)
        shop.wait_until_drained(seconds=DRAIN_SECONDS)
        found = connection.execute(GAPS, [since]).fetchall()
    gaps = [row[0] for row in found]
    p50, p99 = gaps[len(gaps) // 2], gaps[int(0.99 * len(gaps))]
    details: dict[str, Any] = {
        "round_trip_ms": 1000 * round_trip,
        "heard": len(gaps),
        "p50_ms": 1000 * p50,
        "p99_ms": 1000 * p99,
    }
    if folder := os.environ.get("BENCH_STAGES"):
        details["stages_ms"] = stages.read(Path(folder), [row[1:] for row in found])
    return [
        Row(BARS["hearing"], ratio(p50, round_trip), details),
        Row(BARS["hearing_p99"], ratio(p99, round_trip), details),
    ]


def _round_trip(url: str) -> float:
    """Return the median seconds of a durable message to a quorum queue and back to this process, one at a time."""
    name = f"ping-{uuid4().hex[:8]}"
    queue = Queue(name, Exchange(name, durable=True), routing_key=name, queue_arguments={"x-queue-type": "quorum"})
    arrived: list[object] = []
    took = []

    def arrive(body: object, message: Message) -> None:
        message.ack()
        arrived.append(body)

    with Connection(url) as connection, connection.channel() as channel:
        bound = queue.bind(channel)
        bound.declare()
        producer = Producer(channel)
        with Consumer(channel, bound, callbacks=[arrive]):
            for _ping in range(PINGS):
                began = time.monotonic()
                producer.publish({"x": "y" * 500}, exchange=name, routing_key=name, delivery_mode=2)
                while not arrived:
                    connection.drain_events(timeout=5)
                arrived.clear()
                took.append(time.monotonic() - began)
        bound.delete()
        queue.exchange.bind(channel).delete()
    return sorted(took)[PINGS // 2]
