"""Facts in an outbox that name something personal: erased there, where an aggregate's facts are found by its index."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence

from django.db import connections
from django.db.models import Q
from django.db.models.functions import Now

from shop import transactions
from shop.events.outbox import outbox_of
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


def still_told(context: str, aggregate_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Shortly]:
    """Return the aggregates with a fact that a subscriber may not have heard, with the reason.

    Such a fact is not published, or was told less than SETTLED ago.
    """
    facts = outbox_of(context)._default_manager.using(transactions.alias_for(context))
    young = Q(published_at=None) | Q(occurred_at__gt=Now() - SETTLED)
    found: dict[uuid.UUID, Shortly] = {}
    told = facts.filter(young, aggregate_id__in=aggregate_ids).order_by("pk")
    for aggregate_id, name, published_at in told.values_list("aggregate_id", "type", "published_at"):
        minutes = round(SETTLED.total_seconds() / 60)
        why = "is not published" if published_at is None else f"is less than {minutes} minutes old"
        found[aggregate_id] = Shortly(f"its event {name} {why}")
    return found
