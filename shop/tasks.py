"""The kernel's ways in for workers: deliveries, and the sweeps of the bus, of what is kept for a time and of erasures."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from celery import Task, shared_task
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session

from shop import retention
from shop.events import batches, dead_letters, inbox, pruning, relay, republish
from shop.events.messages import DELIVER_BATCH_TASK, DELIVER_TASK
from shop.events.port import TransportUnavailable
from shop.personal import erasure, guests
from shop.personal import retention as personal_retention
from shop.rest import idempotency
from shop.work.each_context import Failures
from shop.work.sweeps import sweep
from shop.work.turn import take_turn


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
    failures = Failures()
    for context in inbox.hearing_contexts():
        with failures.kept(context):
            tried += inbox.retry_due(context)
    failures.raise_kept()
    return tried


@sweep(every_seconds=5, waits=lambda: bool(settings.BROKER_URL) and dead_letters.waiting())
def collect_dead_letters() -> int:
    """Move the messages of the broker's dead queues into the inboxes; after an outage of the database these are deliveries."""
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
    """Delete published outbox rows and processed inbox rows past their retention; return how many went."""
    return pruning.prune_events()


@sweep(every_seconds=3600)
def prune_history() -> int:
    """Delete what is past the retention of the histories; return how many facts went. Without a retention nothing goes."""
    return pruning.prune_history()


@sweep(every_seconds=3600)
def prune_idempotency_keys() -> int:
    """Delete the answers to Idempotency-Keys that are past their retention."""
    return idempotency.prune_idempotency_keys()


@sweep(every_seconds=3600)
def prune_sessions() -> int:
    """Delete the sessions of staff and shoppers that have expired; return how many went."""
    return retention.delete_expired("shop", Session.objects.all(), moment="expire_date")


@sweep(every_seconds=60, due=guests.TAKING.rows.due)
def take_guests_along() -> int:
    """Have the accounts that have verified a guest's mailbox take the guest's orders along."""
    return take_turn(guests.TAKING)


@sweep(every_seconds=3600)
def prune_guests() -> int:
    """Delete the guests whose token is over and of whose orders nothing personal is kept; return how many were looked at."""
    return guests.prune_guests()


@sweep(every_seconds=3600)
def prune_staff_log() -> int:
    """Delete the entries of what staff did that are past their retention; return how many went."""
    kept = timedelta(days=settings.STAFF_LOG_RETENTION_DAYS)
    if not kept:
        return 0
    return retention.delete_for_a_while(retention.Pruning("shop", LogEntry.objects.all(), age="action_time", kept=kept))


@sweep(every_seconds=60, due=erasure.ERASING.rows.due)
def erase_persons() -> int:
    """Resume the erasures that are due: after a crash, once orders have ended, or for a last look."""
    return take_turn(erasure.ERASING)


@sweep(every_seconds=3600)
def erase_aged_contacts() -> int:
    """Erase who got the orders that are past CONTACT_RETENTION_DAYS; return how many rows were changed."""
    return personal_retention.erase_aged()
