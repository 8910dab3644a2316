"""The kernel's ways in for workers: deliver one event, and the sweeps of the bus."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from celery import Task, shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db.models.functions import Now

from shop import retention, transactions
from shop.background import sweep
from shop.clock import now
from shop.events import batches, dead_letters, inbox, past, relay, republish
from shop.events.bus import TransportUnavailable
from shop.events.messages import DELIVER_BATCH_TASK, DELIVER_TASK
from shop.events.outbox import outbox_of
from shop.events.past import Kept
from shop.personal import erasure
from shop.personal import retention as personal_retention
from shop.rest import idempotency
from shop.work.turn import take_turn

log = structlog.get_logger(__name__)


@shared_task(name=DELIVER_TASK, acks_late=True, ignore_result=True)
def deliver_event(*, subscriber: str, attributes: dict[str, Any], **_later_arguments: object) -> None:
    """Apply one event at one subscriber; acknowledged once the outcome, good or bad, is a committed row."""
    inbox.deliver(subscriber=subscriber, attributes=attributes)


@shared_task(name=DELIVER_BATCH_TASK, acks_late=True, ignore_result=True, bind=True)
def deliver_events(self: Task[Any, Any], /, *, deliveries: list[batches.Delivery], **_later_arguments: object) -> None:
    """Apply several events of one context; acknowledged once every outcome, good or bad, is a committed row.

    A message that a worker has held before may hold what killed it, so each of its deliveries is then tried alone.
    """
    if (self.request.delivery_info or {}).get("redelivered"):
        batches.set_aside(deliveries=deliveries, reason="a worker died with its batch, or gave it back")
    else:
        batches.deliver_batch(deliveries=deliveries)


@sweep(every_seconds=2, due=relay.left_behind)
def relay_outbox() -> int:
    """Publish what the in-process relays left: rows of processes that died, and of a time without broker."""
    try:
        return relay.drain_all()
    except TransportUnavailable:
        return 0


@sweep(every_seconds=1, due=inbox.waiting)
def retry_deliveries() -> int:
    """Try failed deliveries again when their backoff has passed."""
    tried = 0
    failures: list[Exception] = []
    for context in dead_letters.hearing_contexts():
        with _kept(failures, context):
            tried += inbox.retry_due(context)
    _raise_kept(failures)
    return tried


@sweep(every_seconds=5, waits=lambda: bool(settings.BROKER_URL) and dead_letters.waiting())
def collect_dead_letters() -> int:
    """Bring the messages of the broker's dead queues into the inboxes: after a restart of the database, every delivery."""
    return dead_letters.collect() if settings.BROKER_URL else 0


@sweep(every_seconds=60)
def read_dead_letters_again() -> int:
    """Retry the deliveries in messages that workers of the release before buried, because they cannot read them."""
    return dead_letters.read_again()


@sweep(every_seconds=60)
def publish_unheard() -> int:
    """Publish again what was published a while ago and is lost: the broker had confirmed it, and nobody heard of it."""
    return republish.publish_unheard()


@sweep(every_seconds=600)
def prune_events() -> int:
    """Delete published outbox rows and processed inbox rows past their retention; return how many went.

    What leaves an outbox goes to the history. In small transactions, the tables in turn, within a time budget: what a backlog leaves, the next sweeps take.
    """
    deadline = time.monotonic() + retention.SECONDS
    gone = 0
    failures: list[Exception] = []
    tables = [*_published_long_ago(), *_processed_long_ago()]
    # Shuffled, so that one table that always exhausts the budget cannot starve the rest.
    waiting = deque(random.sample(tables, k=len(tables)))
    while waiting and time.monotonic() < deadline:
        pruning = waiting.popleft()
        with _kept(failures, pruning.context):
            gone += retention.delete_batch(pruning)
            if not pruning.finished:
                waiting.append(pruning)
    if waiting:
        log.warning("events.prune_unfinished", deleted=gone, tables_left=len(waiting))
    _raise_kept(failures)
    return gone


@sweep(every_seconds=3600)
def prune_history() -> int:
    """Delete what is past the retention of the histories; return how many facts went. Without a retention nothing goes."""
    if not (kept := timedelta(days=settings.HISTORY_RETENTION_DAYS)):
        return 0
    gone = 0
    failures: list[Exception] = []
    for context in relay.publishing_contexts():
        with _kept(failures, context):
            rows = past.history_of(context)._default_manager.using(transactions.alias_for(context))
            oldest = rows.order_by("pk").values_list("occurred_at", flat=True).first()
            if oldest is not None and oldest < now() - kept:
                note = partial(past.let_go, context, Kept.HISTORY, after=kept)
                gone += retention.delete_for_a_while(
                    retention.Pruning(context, rows, age="occurred_at", kept=kept, note=note)
                )
    _raise_kept(failures)
    return gone


@sweep(every_seconds=3600)
def prune_idempotency_keys() -> int:
    """Delete the answers to Idempotency-Keys that are past their retention."""
    return idempotency.prune_idempotency_keys()


@sweep(every_seconds=3600)
def prune_sessions() -> int:
    """Delete the sessions of staff and shoppers that have expired; return how many went."""
    return retention.delete_expired("shop", Session.objects.all(), moment="expire_date")


@sweep(every_seconds=3600)
def prune_staff_log() -> int:
    """Delete what staff did so long ago that nobody has to answer for it any more; return how many entries went."""
    kept = timedelta(days=settings.STAFF_LOG_RETENTION_DAYS)
    if not kept:
        return 0
    return retention.delete_for_a_while(retention.Pruning("shop", LogEntry.objects.all(), age="action_time", kept=kept))


@sweep(every_seconds=60, due=erasure.ERASING.rows.due)
def erase_persons() -> int:
    """Go on with the erasures that are due: of a crash, of a time in which orders were under way, of the last look."""
    return take_turn(erasure.ERASING)


@sweep(every_seconds=3600)
def erase_aged_contacts() -> int:
    """Erase who got the orders that are past CONTACT_RETENTION_DAYS; return how many rows were changed."""
    return personal_retention.erase_aged()


def _published_long_ago() -> Iterator[retention.Pruning]:
    kept = timedelta(days=settings.EVENTS_RETENTION_DAYS)
    for context in relay.publishing_contexts():
        rows = outbox_of(context)._default_manager.using(transactions.alias_for(context))
        yield retention.Pruning(context, rows.filter(published_at__lt=Now() - kept), age="occurred_at", kept=kept)


def _processed_long_ago() -> Iterator[retention.Pruning]:
    kept = timedelta(days=settings.EVENTS_RETENTION_DAYS)
    for context in dead_letters.hearing_contexts():
        entries = inbox.inbox_of(context)._default_manager.using(transactions.alias_for(context))
        processed = entries.filter(status=inbox.DeliveryStatus.PROCESSED)
        note = partial(past.let_go, context, Kept.INBOX, after=kept)
        yield retention.Pruning(context, processed, age="received_at", kept=kept, note=note)
        # Never sooner than the others: the row also drops copies of its event.
        set_aside = max(kept, timedelta(days=settings.DISCARDED_RETENTION_DAYS))
        if settings.DISCARDED_RETENTION_DAYS:
            discarded = entries.filter(status=inbox.DeliveryStatus.DISCARDED)
            yield retention.Pruning(context, discarded, age="received_at", kept=set_aside)


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
