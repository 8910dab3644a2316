"""The judge: what was committed, against what each subscriber did about it and what an outsider heard."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from orders.models import Outbox
from shop.events.inbox import DeliveryStatus, inbox_of
from tests.integration.events.bench import Rung
from tests.process.broker import Broker
from tests.proof.broker.outsider import Outsider
from tests.proof.broker.subscribers import SUBSCRIBERS, handled_by

# How many of a kind are told one by one.
EXAMPLES = 5


def violations(broker: Broker, outsider: Outsider) -> list[str]:
    """Return a sentence for each promise that does not hold."""
    return [*_handled_once(), *_nothing_left(broker), *_heard(outsider)]


def _handled_once() -> Iterator[str]:
    facts = set(Outbox.objects.filter(type=Rung.type).values_list("aggregate_id", "aggregate_version"))
    for subscriber in SUBSCRIBERS:
        handled = handled_by(subscriber)
        yield from _told(f"lost for {subscriber}", facts - handled.keys())
        yield from _told(f"handled more than once by {subscriber}", {fact for fact, n in handled.items() if n > 1})
        yield from _told(f"handled by {subscriber} though rolled back", handled.keys() - facts)
        entries = inbox_of(subscriber.partition(".")[0])._default_manager.exclude(status=DeliveryStatus.PROCESSED)
        yield from _told(f"left over in the inbox of {subscriber}", entries.values_list("event_id", "status", "error"))


def _nothing_left(broker: Broker) -> Iterator[str]:
    unpublished = Outbox.objects.filter(published_at=None)
    yield from _told("still in the outbox", unpublished.values_list("event_id", "quarantined_at", "last_error"))
    for context in sorted({subscriber.partition(".")[0] for subscriber in SUBSCRIBERS}):
        for queue in (f"{context}.events", f"{context}.dead"):
            if broker.depth(queue) is None or broker.depth(queue)[0]:
                yield f"{queue} holds messages or is gone: {broker.depth(queue)}"


def _heard(outsider: Outsider) -> Iterator[str]:
    event_ids = {str(event_id) for event_id in Outbox.objects.filter(type=Rung.type).values_list("event_id", flat=True)}
    yield from _told("never heard by the outsider", event_ids - outsider.heard)
    yield from _told("heard by the outsider though rolled back", outsider.heard - event_ids)


def _told(what: str, found: Collection[Any]) -> Iterator[str]:
    if found:
        yield f"{len(found)} events {what}: " + "; ".join(str(one) for one in list(found)[:EXAMPLES])
