"""A Celery application without a shop: one task that does nothing, with the shop's worker settings and kind of queue."""

from __future__ import annotations

import os

from celery import Celery
from kombu import Exchange, Queue

NAMESPACE = os.environ.get("EVENTS_NAMESPACE", "")
QUEUE = Queue(
    f"{NAMESPACE}bare",
    exchange=Exchange(f"{NAMESPACE}bare", type="direct", durable=True),
    routing_key="bare",
    queue_arguments={"x-queue-type": "quorum"},
)
app = Celery("bare", broker=os.environ.get("BROKER_URL", "memory://"))
app.conf.update(
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,
    task_time_limit=60,
    task_soft_time_limit=50,
    worker_prefetch_multiplier=1,
    task_queues=[QUEUE],
    task_default_queue=QUEUE.name,
    task_default_exchange=QUEUE.exchange.name,
    task_default_routing_key="bare",
    task_create_missing_queues=False,
    broker_native_delayed_delivery_queue_type="quorum",
    broker_connection_retry_on_startup=True,
    broker_transport_options={"confirm_publish": True},
)


@app.task(name="bare.nothing", acks_late=True)
def nothing(*, subscriber: str, attributes: dict[str, object]) -> None:
    """Do nothing."""
