"""The kernel's ways in for workers: deliver one event, and the sweeps of the bus."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import structlog
from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Now

from shop import retention, transactions
from shop.background import sweep
from shop.events import dead_letters, inbox, relay
from shop.events.broker import DELIVER_TASK
from shop.events.bus import TransportUnavailable
from shop.events.outbox import outbox_of
from shop.rest import idempotency

log = structlog.get_logger(__name__)


@shared_task(name=DELIVER_TASK, acks_late=True, ignore_result=True)
def deliver_event(*, subscriber: str, attributes: dict[str, Any], **_later_arguments: object) -> None:
    """Apply one event at one subscriber; acknowledged once the outcome, good or bad, is a committed row."""
    inbox.deliver(subscriber=subscriber, attributes=attributes)


@sweep(every_seconds=2)
def relay_outbox() -> int:
    """Publish what the in-process relays left: rows of processes that died, and of a time without broker."""
    try:
        return relay.drain_all()
    except TransportUnavailable:
        return 0


@sweep(every_seconds=1)
def retry_deliveries() -> int:
    """Try failed deliveries again when their backoff has passed."""
    tried = 0
    failures: list[Exception] = []
    for context in dead_letters.hearing_contexts():
        with _kept(failures, context):
            tried += inbox.retry_due(context)
    _raise_kept(failures)
    return tried


@sweep(every_seconds=5)
def collect_dead_letters() -> int:
    """Bring the messages of the broker's dead queues into the inboxes: after a restart of the database, every delivery."""
    return dead_letters.collect() if settings.BROKER_URL else 0


@sweep(every_seconds=3600)
def prune_events() -> int:
    """Delete published outbox rows and processed inbox rows past their retention; return how many went.

    In small transactions, the tables in turn, within a time budget: what a backlog leaves, the next sweeps take.
    """
    deadline = time.monotonic() + retention.SECONDS
    gone = 0
    failures: list[Exception] = []
    tables = [*_published_long_ago(), *_processed_long_ago()]
    # In another order each time: tables that use all the time up, hour after hour, keep no other from its turn.
    waiting = deque(random.sample(tables, k=len(tables)))
    while waiting and time.monotonic() < deadline:
        context, rows = waiting.popleft()
        with _kept(failures, context):
            deleted = retention.delete_batch(context, rows)
            gone += deleted
            if deleted >= retention.BATCH:
                waiting.append((context, rows))
    if waiting:
        log.warning("events.prune_unfinished", deleted=gone, tables_left=len(waiting))
    _raise_kept(failures)
    return gone


@sweep(every_seconds=3600)
def prune_idempotency_keys() -> int:
    """Delete the answers to Idempotency-Keys that are past their retention."""
    return idempotency.prune_idempotency_keys()


def _published_long_ago() -> Iterator[tuple[str, QuerySet[Any]]]:
    kept = timedelta(days=settings.EVENTS_RETENTION_DAYS)
    for context in relay.publishing_contexts():
        rows = outbox_of(context)._default_manager.using(transactions.alias_for(context))
        yield context, rows.filter(published_at__lt=Now() - kept)


def _processed_long_ago() -> Iterator[tuple[str, QuerySet[Any]]]:
    kept = timedelta(days=settings.EVENTS_RETENTION_DAYS)
    for context in dead_letters.hearing_contexts():
        entries = inbox.inbox_of(context)._default_manager.using(transactions.alias_for(context))
        yield context, entries.filter(status=inbox.DeliveryStatus.PROCESSED, received_at__lt=Now() - kept)


@contextmanager
def _kept(failures: list[Exception], context: str) -> Iterator[None]:
    """Keep what the work of one context raises in `failures`, so that the others have their turn."""
    try:
        yield
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:
        log.exception("sweep.context_failed", context=context)
        failures.append(error)


def _raise_kept(failures: list[Exception]) -> None:
    """Raise what was kept: one error as it is, several together."""
    if len(failures) > 1:
        raise ExceptionGroup("the work of some contexts failed", failures)
    if failures:
        raise failures[0]
