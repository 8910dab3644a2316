"""The kernel's ways in for workers: deliver one event, and the sweeps of the bus."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from celery import shared_task
from django.conf import settings
from django.db.models.functions import Now

from shop import transactions
from shop.background import sweep
from shop.events import dead_letters, inbox, relay
from shop.events.broker import DELIVER_TASK
from shop.events.bus import TransportUnavailable
from shop.events.outbox import outbox_of
from shop.rest import idempotency


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
    return sum(inbox.retry_due(context) for context in dead_letters.hearing_contexts())


@sweep(every_seconds=5)
def collect_dead_letters() -> int:
    """Bring the messages of the broker's dead queues into the inboxes: after a restart of the database, every delivery."""
    return dead_letters.collect() if settings.BROKER_URL else 0


@sweep(every_seconds=3600)
def prune_events() -> int:
    """Delete published outbox rows and processed inbox rows past their retention; return how many went."""
    gone = 0
    for context in relay.publishing_contexts():
        with transactions.transaction(context):
            rows = outbox_of(context)._default_manager.using(transactions.alias_for(context))
            gone += rows.filter(published_at__lt=Now() - timedelta(days=settings.EVENTS_RETENTION_DAYS)).delete()[0]
    for context in dead_letters.hearing_contexts():
        with transactions.transaction(context):
            entries = inbox.inbox_of(context)._default_manager.using(transactions.alias_for(context))
            gone += entries.filter(
                status=inbox.DeliveryStatus.PROCESSED,
                received_at__lt=Now() - timedelta(days=settings.EVENTS_RETENTION_DAYS),
            ).delete()[0]
    return gone


@sweep(every_seconds=3600)
def prune_idempotency_keys() -> int:
    """Delete the answers to Idempotency-Keys that are past their retention."""
    return idempotency.prune_idempotency_keys()
