"""The second half of I8, at rest: each subscriber has applied each event, and nothing waits or is dead."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from django.apps import apps

from shop.events import subscribers
from shop.events.inbox import DeliveryStatus, InboxEntry
from shop.events.outbox import OutboxMessage

M = TypeVar("M", InboxEntry, OutboxMessage)
TOLD = ("event_id", "type", "payload", "published_at")


def unheard() -> Iterator[str]:
    """Say which event a subscriber has not applied, and which deliveries are left over."""
    applied = set()
    for inbox in _models(InboxEntry):  # type: ignore[type-abstract]
        for name, event_id, status in inbox._default_manager.values_list("subscriber", "event_id", "status"):
            if status == DeliveryStatus.PROCESSED:
                applied.add((name, event_id))
            else:
                yield f"I8 event {event_id} is {status} at {name}"
    for outbox in _models(OutboxMessage):  # type: ignore[type-abstract]
        for event_id, kind, payload, published_at in outbox._default_manager.values_list(*TOLD):
            if published_at is None:
                yield f"I8 {kind} {event_id} is still in the outbox"
            for subscriber in subscribers.hearers_of(kind, payload):
                if published_at is not None and (subscriber.name, event_id) not in applied:
                    yield f"I8 {kind} {event_id} was published and never applied by {subscriber.name}"


def _models(base: type[M]) -> list[type[M]]:
    return [model for model in apps.get_models() if issubclass(model, base)]
