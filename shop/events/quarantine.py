"""Releasing outbox rows that the relay set aside: a human gives them to it again, once the cause is gone."""

from __future__ import annotations

from collections.abc import Collection

import structlog
from django.db.models import QuerySet

from shop import transactions
from shop.events import relay
from shop.events.outbox import OutboxMessage, outbox_of

log = structlog.get_logger(__name__)


def quarantined(context: str) -> QuerySet[OutboxMessage]:
    """Return the rows of one outbox that are set aside, oldest first."""
    rows = outbox_of(context)._default_manager.using(transactions.alias_for(context))
    return rows.filter(quarantined_at__isnull=False).order_by("id")


def release_quarantined(context: str, *, staff: str, ids: Collection[int] | None = None) -> int:
    """Give the quarantined rows of `context`, or those of `ids`, to the relay with fresh attempts; return how many.

    Safe to call again and at once: a row that is not set aside (any more) is left alone. Later events
    of the same aggregate may already be published; subscribers tolerate that order.
    """
    with transactions.transaction(context):
        rows = quarantined(context).order_by()
        if ids is not None:
            rows = rows.filter(pk__in=ids)
        released = rows.update(quarantined_at=None, attempts=0, claimed_until=None)
        if released:
            transactions.after_commit(context, lambda: relay.wake(context))
    if released:
        log.info("outbox.released", context=context, rows=released, staff=staff)
    return released
