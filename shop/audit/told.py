"""How far a fact has come, for audits that find its effect missing: only what was applied has an effect to be missed."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from django.db.models.functions import Now

from shop import transactions
from shop.events.inbox import DeliveryStatus, inbox_of
from shop.events.outbox import outbox_of
from shop.events.past import history_of

# So long after its publication everybody has heard a fact, or an alert tells of it.
HEARD_WITHIN = timedelta(minutes=15)


class Told(NamedTuple):
    """A fact of an aggregate: `event_id` is None where none is on record, `long_ago` says that it is published.

    `in_history`: so long ago that its outbox has let go of it.
    """

    event_id: UUID | None
    long_ago: bool
    in_history: bool = False


def find_told(context: str, *, aggregate_id: UUID, event_type: str) -> Told:
    """Return how far the last fact of this type is that `context` has told of an aggregate."""
    rows = outbox_of(context)._default_manager.using(transactions.alias_for(context))
    facts = rows.filter(aggregate_id=aggregate_id, type=event_type).order_by("-id")
    event_id = facts.values_list("event_id", flat=True).first()
    if event_id is None:
        past = history_of(context)._default_manager.using(transactions.alias_for(context))
        told = past.filter(aggregate_id=aggregate_id, type=event_type).order_by("-id")
        return Told(told.values_list("event_id", flat=True).first(), long_ago=True, in_history=True)
    return Told(event_id, long_ago=facts.filter(event_id=event_id, published_at__lt=Now() - HEARD_WITHIN).exists())


def should_show(told: Told, *, subscriber: str) -> bool:
    """Return whether the fact's effect at this subscriber should be there: it is applied, or too old for us to know.

    One that nobody heard, that is tried again or that waits for a human is named or allowed where that is judged.
    """
    if told.event_id is None or not told.long_ago:
        return told.long_ago
    context = subscriber.partition(".")[0]
    rows = inbox_of(context)._default_manager.using(transactions.alias_for(context))
    status = rows.filter(subscriber=subscriber, event_id=told.event_id).values_list("status", flat=True).first()
    if status is None:
        # Of what was heard long ago nothing is kept but what waits for a human.
        return told.in_history
    return bool(status == DeliveryStatus.PROCESSED)
