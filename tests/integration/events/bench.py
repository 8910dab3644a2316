"""An event and two subscribers of nobody's business: they ride on the outbox of orders and the inbox of notifications.

The effect of a handler is a row in the outbox of notifications that counts as published already.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID, uuid4

from django.db.models.functions import Now

from notifications.models import Outbox as Effects
from shop import transactions
from shop.events import publishing, subscribers
from shop.events.event import Event, registry
from shop.events.inbox import InboxEntry
from shop.ids import new_id

APPLIED = "bench.applied"


@dataclass(frozen=True, kw_only=True)
class Rung(Event):
    """A bell rang for the n-th time."""

    bell: UUID
    count: int

    @classmethod
    def context(cls) -> str:
        return "orders"


class Struck(Rung):
    """A clock struck; for a second queue."""


# Named after the classes are made, so that importing this module registers nothing.
Rung.type, Struck.type = "bench.rung", "bench.struck"


def apply(event: Rung, subscriber: str) -> None:
    """Leave the effect of one event at one subscriber, without looking whether it is there already."""
    Effects.objects.create(
        event_id=new_id(),
        type=APPLIED,
        schema_version=1,
        aggregate_id=event.bell,
        aggregate_version=event.count,
        payload={"subscriber": subscriber},
        published_at=Now(),
    )


def hear(
    handler: Callable[[Rung], None],
    *,
    name: str,
    context: str = "notifications",
    event: type[Rung] = Rung,
    wants: subscribers.Wants | None = None,
    many: subscribers.Many | None = None,
) -> str:
    """Subscribe a handler as `<context>.<name>` and return that name."""
    handler.__name__, handler.__module__ = name, f"{context}.handlers"
    subscribers.subscribe(event, wants=wants, many=many)(handler)
    return f"{context}.{name}"


def install() -> None:
    """Register the events."""
    registry.update({Rung.type: Rung, Struck.type: Struck})


def remove() -> None:
    """Forget the events and all who hear them."""
    for event in (Rung, Struck):
        registry.pop(event.type, None)
        for subscriber in subscribers._by_event.pop(event.type, []):
            subscribers._subscribers.pop(subscriber.name)


def ring(bell: UUID | None = None, *, count: int = 1, event: type[Rung] = Rung) -> UUID:
    """Publish one event in a transaction of its own; return the bell."""
    bell = bell or uuid4()
    with transactions.transaction("orders"):
        publishing.publish(event(bell=bell, count=count), aggregate_id=bell, aggregate_version=count)
    return bell


def ring_many(events: int) -> None:
    """Publish as many events, ten of each bell."""
    bells = [uuid4() for _ in range(events // 10)]
    for count in range(1, 11):
        with transactions.transaction("orders"):
            for bell in bells:
                publishing.publish(Rung(bell=bell, count=count), aggregate_id=bell, aggregate_version=count)


def applied(subscriber: str | None = None) -> list[tuple[UUID, int]]:
    """Return bell and count of every effect, in the order in which they were applied."""
    effects = Effects.objects.filter(type=APPLIED).order_by("id")
    if subscriber:
        effects = effects.filter(payload__subscriber=subscriber)
    return list(effects.values_list("aggregate_id", "aggregate_version"))


def entry_of(subscriber: str) -> InboxEntry:
    """Return the one inbox row of a subscriber."""
    from notifications.models import Inbox

    return Inbox.objects.get(subscriber=subscriber)
