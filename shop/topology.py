"""What stands in RabbitMQ: queues, exchanges and why each has the arguments it has.

events        direct   -> <context>.events   one durable quorum queue per context that hears events
dead.letters  direct   -> <context>.dead     the same contexts: what a worker could not even record (see dead_letters.collect)
domain.events topic    -> (outsiders bind their own queues; routing key = event type; docs/asyncapi.yaml)
tasks         direct   -> <context>.tasks    nudges to run a sweep; disposable, so short-lived
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from kombu import Exchange, Queue

from shop.contexts import CONTEXTS

# Worker and broker restarts spend deliveries too, so 3 would bury good messages.
DELIVERY_LIMIT = 10
# RabbitMQ 4 drops what it delivered 20 times unless told otherwise; a dead letter waits for as long as the database is
# away. (-1 says it better, and RabbitMQ 3 refuses it.)
NEVER = 1_000_000
NUDGE_TTL_MILLISECONDS = 60_000

# Whose sweeps run beside the deliveries: short, and seen by customers (mail, booking), or of the bus itself.
SWEEPS_BESIDE_DELIVERIES = ("shipping", "notifications", "shop")
# Those with an inbox. The others have no queue for events: a stray message would find nobody to record it.
HEARING = ("orders", "shipping", "notifications")


def named(name: str) -> str:
    """Return the name under this installation's prefix, so that several can share a broker."""
    return f"{settings.EVENTS_NAMESPACE}{name}"


def domain_exchange() -> Exchange:
    """Return the topic exchange on which outsiders hear every fact."""
    return Exchange(named("domain.events"), type="topic", durable=True)


def events_queue(context: str) -> Queue:
    """Return the queue that carries deliveries to the subscribers of `context`.

    at-least-once dead lettering needs reject-publish: with it the broker never drops a message on the way to the
    dead letters; without it, it may.
    """
    return Queue(
        named(f"{context}.events"),
        exchange=Exchange(named("events"), type="direct", durable=True),
        routing_key=f"{context}.events",
        queue_arguments={
            "x-queue-type": "quorum",
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": named("dead.letters"),
            "x-dead-letter-routing-key": f"{context}.dead",
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        },
    )


def dead_queue(context: str) -> Queue:
    """Return the queue of messages that no worker could turn into an inbox row."""
    return Queue(
        named(f"{context}.dead"),
        exchange=Exchange(named("dead.letters"), type="direct", durable=True),
        routing_key=f"{context}.dead",
        queue_arguments={"x-queue-type": "quorum", "x-delivery-limit": NEVER},
    )


def tasks_queue(context: str) -> Queue:
    """Return the queue of nudges for the sweeps of `context`: losing one costs seconds, so none is kept long."""
    return Queue(
        named(f"{context}.tasks"),
        exchange=Exchange(named("tasks"), type="direct", durable=True),
        routing_key=f"{context}.tasks",
        queue_arguments={"x-queue-type": "quorum", "x-message-ttl": NUDGE_TTL_MILLISECONDS},
    )


def routes() -> dict[str, dict[str, str]]:
    """Return Celery's routes: a sweep is asked for in the queue of its context, whose name its own begins with."""
    return {f"{context}.*": {"queue": named(f"{context}.tasks")} for context in (*CONTEXTS, "shop")}


def worker_queues() -> list[Queue]:
    """Return every queue that workers consume."""
    return [
        *(events_queue(context) for context in HEARING),
        *(tasks_queue(context) for context in (*CONTEXTS, "shop")),
    ]


def delivery_queues() -> list[str]:
    """Return the names of the queues that carry deliveries."""
    return [events_queue(context).name for context in HEARING]


def queues_of_role(role: str) -> list[str]:
    """Return the names of the queues that a worker of this role consumes: all, unless it is one of two that share them.

    `deliveries` are never behind what waits for the payment provider or works off a backlog: that is `sweeps`.
    """
    beside = [named(f"{context}.tasks") for context in SWEEPS_BESIDE_DELIVERIES]
    every = [queue.name for queue in worker_queues()]
    deliveries = [*(named(f"{context}.events") for context in HEARING), *beside]
    return {"deliveries": deliveries, "sweeps": [name for name in every if name not in deliveries]}.get(role, every)


def declare(channel: Any) -> None:
    """Declare all of it on an AMQP channel; harmless to repeat."""
    domain_exchange().bind(channel).declare()
    for queue in [*worker_queues(), *(dead_queue(context) for context in HEARING)]:
        queue.bind(channel).declare()


def delete(channel: Any) -> None:
    """Delete all of it, with whatever messages it holds: for installations that end, such as a demo's."""
    for queue in [*worker_queues(), *(dead_queue(context) for context in HEARING)]:
        queue.bind(channel).delete()
        queue.exchange.bind(channel).delete()
    domain_exchange().bind(channel).delete()
    if settings.EVENTS_NAMESPACE:
        # Those of Celery's remote control; without a prefix they may be another application's.
        for name in (f"{named('celery')}.pidbox", f"reply.{named('celery')}.pidbox", named("celeryev")):
            channel.exchange_delete(name)
