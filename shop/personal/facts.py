"""Facts in an outbox that name something personal: erased there, where an aggregate's facts are found by its index."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence

from django.db import connections

from shop import clock, transactions
from shop.events import subscribers, unheard
from shop.events.inbox import DeliveryStatus, inbox_of
from shop.events.outbox import OutboxMessage, outbox_of
from shop.personal.keepers import ERASED, SETTLED, Shortly


def erase_from_facts(context: str, aggregate_ids: Sequence[uuid.UUID], *, member: str) -> int:
    """Write "erased" over a member of the payloads of these aggregates, in the open transaction; return how many had it.

    Types and versions stay, so that the audit still finds every move of the aggregate.
    """
    table = outbox_of(context)._meta.db_table
    with connections[transactions.require(context)].cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET payload = payload || %(erased)s::jsonb WHERE aggregate_id = ANY(%(ids)s::uuid[])"
            " AND payload ->> %(member)s NOT IN ('', %(text)s)",
            {"erased": json.dumps({member: ERASED}), "ids": list(aggregate_ids), "member": member, "text": ERASED},
        )
        return int(cursor.rowcount)


def still_told(context: str, aggregate_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Return the aggregates with a fact that a subscriber may not have heard, with the reason.

    Such a fact is not published, was published less than SETTLED ago, or has a subscriber that has yet to apply it: its
    message waits at the broker, its delivery is tried again, or waits for staff among the dead letters.
    """
    facts = outbox_of(context)._default_manager.using(transactions.alias_for(context))
    told = list(facts.filter(aggregate_id__in=aggregate_ids).order_by("pk"))
    present = clock.database_now(alias=transactions.alias_for(context))
    found: dict[uuid.UUID, str] = {}
    for fact in told:
        if fact.published_at is None:
            found[fact.aggregate_id] = Shortly(f"its event {fact.type} is not published")
        elif fact.published_at > present - SETTLED:
            minutes = round(SETTLED.total_seconds() / 60)
            found[fact.aggregate_id] = Shortly(f"its event {fact.type} is less than {minutes} minutes old")
    for fact, subscriber in _not_applied(context, [fact for fact in told if fact.aggregate_id not in found]):
        found.setdefault(fact.aggregate_id, f"its event {fact.type} was not applied by {subscriber} yet")
    return found


def _not_applied(context: str, facts: Sequence[OutboxMessage]) -> Iterator[tuple[OutboxMessage, str]]:
    """Yield these published facts of a context with each subscriber that has them to apply still."""
    by_id = {fact.event_id: fact for fact in facts}
    hearers = {each.context for fact in facts for each in subscribers.hearers_of(fact.type, fact.payload)}
    for hearer in sorted(hearers):
        rows = inbox_of(hearer)._default_manager.using(transactions.alias_for(hearer))
        waiting = rows.filter(event_id__in=list(by_id), status__in=(DeliveryStatus.RETRYING, DeliveryStatus.DEAD))
        for event_id, subscriber in waiting.values_list("event_id", "subscriber"):
            yield by_id[event_id], subscriber
    published = [
        unheard.Published(context, fact.pk, fact.event_id, fact.type, fact.payload, fact.occurred_at, fact.published_at)
        for fact in facts
        if fact.published_at is not None
    ]
    for missing in unheard.unheard_among(published, unheard.subscribed_since()) if published else ():
        yield by_id[missing.fact.event_id], missing.subscribers[0]
