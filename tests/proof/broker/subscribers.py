"""Who hears the campaign's events: one subscriber in each of two contexts, so that each event is two deliveries.

The effect of a delivery is a row that nothing keeps from standing there twice: a second one would be seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from django.apps import apps
from django.db.models.functions import Now

from orders.models import Outbox
from shop.events.outbox import OutboxMessage
from shop.ids import new_id
from tests.integration.events import bench
from tests.process.bell_tower import WRITE_DOWN

CHIME = "shipping.chime"
SUBSCRIBERS = (WRITE_DOWN, CHIME)

# An event of the campaign: which bell, and its count.
Fact = tuple[UUID, int]


def chime(event: bench.Rung) -> None:
    """Leave the effect of one event, without looking whether it is there already."""
    effects_of(CHIME)._default_manager.create(
        event_id=new_id(),
        type=bench.APPLIED,
        schema_version=1,
        aggregate_id=event.bell,
        aggregate_version=event.count,
        payload={"subscriber": CHIME},
        published_at=Now(),
    )


def install() -> None:
    """Subscribe."""
    bench.hear(chime, name="chime", context="shipping")


def effects_of(subscriber: str) -> type[OutboxMessage]:
    """Return the table in which a subscriber leaves its effects: its own context's."""
    return apps.get_model(subscriber.partition(".")[0], "Outbox")


def handled_by(subscriber: str, bells: Sequence[UUID] | None = None) -> Counter[Fact]:
    """Return how often each event was handled; only those of `bells` where they are named."""
    effects = effects_of(subscriber)._default_manager.filter(type=bench.APPLIED, payload__subscriber=subscriber)
    if bells is not None:
        effects = effects.filter(aggregate_id__in=bells)
    return Counter(effects.values_list("aggregate_id", "aggregate_version"))


def committed() -> int:
    """Return how many events of the campaign stand in the outbox."""
    return Outbox.objects.filter(type=bench.Rung.type).count()


def waiting() -> int:
    """Return about how many events the slower subscriber is behind."""
    return committed() - min(
        effects_of(name)._default_manager.filter(type=bench.APPLIED).count() for name in SUBSCRIBERS
    )
