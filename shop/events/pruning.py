"""Deleting what the bus no longer needs: published facts move to the histories, applied deliveries and old history go."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import structlog
from django.conf import settings
from django.db.models.functions import Now

from shop import retention, transactions
from shop.clock import now
from shop.events import inbox, outbox, past
from shop.events.outbox import outbox_of
from shop.events.past import Kept
from shop.work.each_context import Failures

log = structlog.get_logger(__name__)


def prune_events() -> int:
    """Delete published outbox rows and processed inbox rows past their retention; return how many went.

    What leaves an outbox goes to the history. In small transactions, the tables in turn, within a time budget: what a
    backlog leaves, the next sweeps take.
    """
    deadline = time.monotonic() + retention.SECONDS
    gone = 0
    failures = Failures()
    tables = [*_published_long_ago(), *_processed_long_ago()]
    # Shuffled, so that one table that always exhausts the budget cannot starve the rest.
    waiting = deque(random.sample(tables, k=len(tables)))
    while waiting and time.monotonic() < deadline:
        pruning = waiting.popleft()
        with failures.kept(pruning.context):
            gone += retention.delete_batch(pruning)
            if not pruning.finished:
                waiting.append(pruning)
    if waiting:
        log.warning("events.prune_unfinished", deleted=gone, tables_left=len(waiting))
    failures.raise_kept()
    return gone


def prune_history() -> int:
    """Delete what is past the retention of the histories; return how many facts went. Without a retention nothing goes."""
    if not (kept := timedelta(days=settings.HISTORY_RETENTION_DAYS)):
        return 0
    gone = 0
    failures = Failures()
    for context in outbox.publishing_contexts():
        with failures.kept(context):
            rows = past.history_of(context)._default_manager.using(transactions.alias_for(context))
            oldest = rows.order_by("pk").values_list("occurred_at", flat=True).first()
            if oldest is not None and oldest < now() - kept:
                note = partial(past.let_go, context, Kept.HISTORY, after=kept)
                gone += retention.delete_for_a_while(
                    retention.Pruning(context, rows, age="occurred_at", kept=kept, note=note)
                )
    failures.raise_kept()
    return gone


def _published_long_ago() -> Iterator[retention.Pruning]:
    kept = timedelta(days=settings.EVENTS_RETENTION_DAYS)
    for context in outbox.publishing_contexts():
        rows = outbox_of(context)._default_manager.using(transactions.alias_for(context))
        yield retention.Pruning(context, rows.filter(published_at__lt=Now() - kept), age="occurred_at", kept=kept)


def _processed_long_ago() -> Iterator[retention.Pruning]:
    kept = timedelta(days=settings.EVENTS_RETENTION_DAYS)
    for context in inbox.hearing_contexts():
        entries = inbox.inbox_of(context)._default_manager.using(transactions.alias_for(context))
        processed = entries.filter(status=inbox.DeliveryStatus.PROCESSED)
        note = partial(past.let_go, context, Kept.INBOX, after=kept)
        yield retention.Pruning(context, processed, age="received_at", kept=kept, note=note)
        # Never sooner than the others: the row also drops copies of its event.
        set_aside = max(kept, timedelta(days=settings.DISCARDED_RETENTION_DAYS))
        if settings.DISCARDED_RETENTION_DAYS:
            discarded = entries.filter(status=inbox.DeliveryStatus.DISCARDED)
            yield retention.Pruning(context, discarded, age="received_at", kept=set_aside)
