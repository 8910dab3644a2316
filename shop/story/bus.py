"""What the bus says about one order: facts on their way, deliveries that failed, and those that only staff can settle."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta

from django.db.models import TextField
from django.db.models.functions import Cast, Now

from shop import transactions
from shop.events import unheard
from shop.events.inbox import DeliveryStatus, InboxEntry, hearing_contexts, inbox_of
from shop.events.outbox import OutboxMessage, outbox_of, publishing_contexts
from shop.events.unheard import Since, Unheard
from shop.story.timeline import Happening, Story, Upcoming

# A relay publishes within milliseconds, what nobody here hears within a second.
LATE = timedelta(seconds=5)


def tell_story(order_id: uuid.UUID) -> Story:
    """Tell which facts of an order are not published or not heard, and which deliveries of them are not applied."""
    happened: list[Happening] = []
    upcoming: list[Upcoming] = []
    for context in hearing_contexts():
        for entry in _failed(context, order_id):
            happened.append(_failure(context, entry))
            upcoming.append(_what_follows(context, entry))
    since = unheard.subscribed_since()
    for context in publishing_contexts():
        upcoming += [_on_its_way(context, fact) for fact in _unpublished(context, order_id)]
        upcoming += [_lost(each) for each in _unheard(context, order_id, since)]
    return Story(tuple(happened), tuple(upcoming))


def _failed(context: str, order_id: uuid.UUID) -> Iterator[InboxEntry]:
    """Yield what is dead or tried again, found by its text: it may be a message that nobody could read."""
    rows = inbox_of(context)._default_manager.using(transactions.alias_for(context)).order_by("id")
    of_the_order = rows.alias(text=Cast("envelope", TextField())).filter(text__contains=str(order_id))
    # One status at a time: each has an index of its own.
    for status in (DeliveryStatus.DEAD, DeliveryStatus.RETRYING):
        yield from of_the_order.filter(status=status)


def _failure(context: str, entry: InboxEntry) -> Happening:
    facts: dict[str, object] = {"attempts": entry.attempts, "error": entry.reason}
    return Happening(entry.received_at, context, f"{entry.subscriber} failed to apply {entry.event_type}", facts)


def _what_follows(context: str, entry: InboxEntry) -> Upcoming:
    if entry.status == DeliveryStatus.RETRYING:
        return Upcoming(context, f"{entry.subscriber} tries {entry.event_type} again", entry.due_at)
    what = (
        f"{entry.event_type} is a dead letter of {entry.subscriber}: replay it or discard it"
        f" (manage.py dead_letters show {context} {entry.pk})"
    )
    return Upcoming(context, what, by_staff=True)


def _unpublished(context: str, order_id: uuid.UUID) -> Iterator[OutboxMessage]:
    rows = outbox_of(context)._default_manager.using(transactions.alias_for(context)).order_by("id")
    waiting = rows.filter(published_at=None, payload__order_id=str(order_id))
    yield from waiting.filter(quarantined_at__isnull=False)
    yield from waiting.filter(quarantined_at=None, occurred_at__lt=Now() - LATE)


def _unheard(context: str, order_id: uuid.UUID, since: Since) -> list[Unheard]:
    """Return the facts of an order that were published a while ago, and that a subscriber has not heard of."""
    facts = list(unheard.of_aggregate(context, order_id))
    return unheard.unheard_among(facts, since) if facts else []


def _lost(found: Unheard) -> Upcoming:
    fact = found.fact
    what = (
        f"{fact.type} was published at {fact.published_at:%F %T} UTC, and {', '.join(found.subscribers)} has not heard of it:"
        f" it is published again within minutes, or now (manage.py publish_again --event {fact.event_id})"
    )
    return Upcoming(fact.context, what)


def _on_its_way(context: str, fact: OutboxMessage) -> Upcoming:
    if fact.quarantined_at is None:
        return Upcoming(context, f"{fact.type} is published: nobody has heard of it yet")
    what = f"the broker refused {fact.type} for good: release it (manage.py relay_outbox --release-quarantined)"
    return Upcoming(context, what, by_staff=True)
