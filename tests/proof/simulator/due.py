"""When something is due: the rows that wait for their moment, in every context."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from functools import cache

from django.apps import apps
from django.db import connections

from inventory.models import Reservation
from payments.models import Dispute
from shop import transactions
from shop.events.inbox import InboxEntry
from shop.events.outbox import OutboxMessage
from shop.models import DueModel, Erasure

# What is asked about for weeks after its end, and what waits for orders to end: no reason to let time pass.
IDLE, WAITS = ", idle", ", waits"


def ready_among(moments: list[tuple[str, datetime]], now: datetime) -> set[str]:
    """Return the contexts, and the outboxes as "X outbox", in which something is due now."""
    return {context.partition(", ")[0] for context, moment in moments if moment <= now}


def moments_due() -> list[tuple[str, datetime]]:
    """Return when each piece of work of each context is due, and each row of its outbox."""
    moments: list[tuple[str, datetime]] = []
    for alias, sql in _asking_when_due().items():
        connections[alias].ensure_connection()
        # Below Django: this looks into every context at once, which the product must not and its tests' guard forbids.
        with connections[alias].connection.cursor() as cursor:
            cursor.execute(sql)
            moments += [(context, moment) for context, moment in cursor.fetchall() if moment is not None]
    return moments


@cache
def _asking_when_due() -> dict[str, str]:
    """Return one statement per database."""
    asked: defaultdict[str, list[str]] = defaultdict(list)
    for model in apps.get_models():
        context, column, where = model._meta.app_label, "", ""
        if issubclass(model, DueModel):
            column, where, name = "due_at", "due_at IS NOT NULL", context
            if model is Dispute:
                asked[transactions.alias_for(context)].append(
                    f"SELECT '{context}{IDLE}', due_at FROM {model._meta.db_table} WHERE due_at IS NOT NULL"
                    " AND closed_at IS NOT NULL"
                )
                where += " AND closed_at IS NULL"
            if model is Erasure:
                asked[transactions.alias_for(context)].append(
                    f"SELECT '{context}{WAITS}', due_at FROM {model._meta.db_table} WHERE due_at IS NOT NULL"
                    " AND waiting_for <> '[]'"
                )
                where += " AND waiting_for = '[]'"
        elif issubclass(model, InboxEntry):
            column, where, name = "due_at", "due_at IS NOT NULL", "shop"
        elif issubclass(model, OutboxMessage):
            # A row that was never claimed may have to wait for an earlier one of its aggregate that is.
            column, where, name = (
                "claimed_until",
                "published_at IS NULL AND quarantined_at IS NULL",
                f"{context} outbox",
            )
            asked[transactions.alias_for(context)].append(
                f"SELECT '{name}', occurred_at FROM {model._meta.db_table} WHERE {where} AND claimed_until IS NULL"
            )
        elif model is Reservation:
            column, where, name = "expires_at", "status = 'HELD'", context
        if column:
            asked[transactions.alias_for(context)].append(
                f"SELECT '{name}', {column} FROM {model._meta.db_table} WHERE {where}"
            )
    return {alias: " UNION ALL ".join(parts) for alias, parts in asked.items()}
