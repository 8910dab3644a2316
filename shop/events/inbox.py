"""The inbox: each subscriber applies each event exactly once, or a row says why not yet.

One row per (subscriber, event): PROCESSED in the same transaction as the handler's effects; RETRYING with a moment to
try again; DEAD for a human, who replays it (back to RETRYING) or discards it. The broker's message is acknowledged
once one of these is durable, so retries and dead letters live in the database and outlast any broker.
"""

from __future__ import annotations

import hashlib
import json
import re
import traceback
import uuid
from datetime import timedelta
from functools import cache
from typing import Any

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.models import Value
from django.db.models.functions import Concat, Now

from shop import transactions
from shop.actors import acting
from shop.events import heard
from shop.events.event import Envelope, UnreadableEvent, order_of
from shop.events.subscribers import subscriber_named
from shop.ids import derived_id
from shop.observability.lines import one_line
from shop.observability.tracing import continued_span
from shop.resilience.retry import backoff_seconds
from shop.statements import Statement
from shop.text import words

log = structlog.get_logger(__name__)

RETRY_LEASE_SECONDS = 8
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*: ")


class DeliveryStatus(models.TextChoices):
    """What became of one event at one subscriber."""

    PROCESSED = "PROCESSED"
    RETRYING = "RETRYING"
    DEAD = "DEAD"
    DISCARDED = "DISCARDED"


class InboxEntry(models.Model):
    """One event at one subscriber."""

    id = models.BigAutoField(primary_key=True)
    subscriber = models.CharField(max_length=120)
    event_id = models.UUIDField()
    event_type = models.CharField(max_length=80)
    status = models.CharField(max_length=10, choices=DeliveryStatus.choices)
    attempts = models.PositiveSmallIntegerField(default=1)
    received_at = models.DateTimeField(db_default=Now())
    due_at = models.DateTimeField(null=True)
    envelope = models.JSONField(null=True)
    error = models.TextField(blank=True)
    decided_by = models.CharField(max_length=150, blank=True)
    decided_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True
        constraints = [
            models.UniqueConstraint(fields=["subscriber", "event_id"], name="%(app_label)s_inbox_once"),
        ]
        indexes = [
            models.Index(
                fields=["due_at"], name="%(app_label)s_inbox_due", condition=models.Q(status=DeliveryStatus.RETRYING)
            ),
            models.Index(
                fields=["id"], name="%(app_label)s_inbox_dead", condition=models.Q(status=DeliveryStatus.DEAD)
            ),
        ]
        verbose_name = "inbox entry"
        verbose_name_plural = "inbox entries"

    def __str__(self) -> str:
        return f"{self.event_type} at {self.subscriber}: {words(self.status)}"

    @property
    def reason(self) -> str:
        """The line of its error that names the exception; a database adds lines of its own behind it."""
        lines = self.error.strip().splitlines() or [""]
        return next((line for line in reversed(lines) if _EXCEPTION.match(line)), lines[-1])


def inbox_of(context: str) -> type[InboxEntry]:
    """Return the inbox model of a context. Raises: LookupError where the context hears nothing."""
    model: Any = apps.get_model(context, "Inbox")
    return model  # type: ignore[no-any-return]


def hearing_contexts() -> list[str]:
    """Return the contexts that have an inbox."""
    return sorted(model._meta.app_label for model in apps.get_models() if issubclass(model, InboxEntry))


def deliver(*, subscriber: str, attributes: dict[str, Any], counted: bool = False) -> DeliveryStatus | None:
    """Apply one event at one subscriber: its inbox row and the handler's effects in one transaction.

    `counted`: its row counts this attempt already. Safe to call again and at once from two places. Returns the status
    that this call reached, None for a duplicate.
    Raises: SoftTimeLimitExceeded, once its outcome is recorded; what keeps that from being recorded (the database is down).
    """
    try:
        envelope = Envelope.from_json(attributes)
        target = subscriber_named(subscriber)
        event = envelope.event()
    except (UnreadableEvent, KeyError) as error:
        return bury(
            context=subscriber.partition(".")[0], subscriber=subscriber, attributes=attributes, error=repr(error)
        )
    names = {"subscriber": subscriber, "event_id": str(envelope.event_id), "event_type": envelope.type}
    with structlog.contextvars.bound_contextvars(**names):
        try:
            with (
                continued_span(f"handle {subscriber}", envelope.traceparent, **names, **order_of(event)),
                one_line("event.handled", undone_by_errors=True),
                transactions.transaction(target.context),
            ):
                if not _claim(target.context, subscriber, envelope, counted=counted):
                    log.debug("event.duplicate")
                    return None
                with acting(f"subscriber {subscriber}"):
                    target.handler(event)
        except SoftTimeLimitExceeded as error:
            # It is kept as any failure is, but whoever has more to deliver must not go on: the worker's time is over.
            _record_failure(target.context, subscriber, envelope, error, counted=counted)
            raise
        except Exception as error:  # noqa: BLE001  whatever a handler raises is kept in its row, and logged
            return _record_failure(target.context, subscriber, envelope, error, counted=counted)
        heard.note(target.context, envelope.occurred_at)
        return DeliveryStatus.PROCESSED


def _claim(context: str, subscriber: str, envelope: Envelope, *, counted: bool) -> bool:
    """Write the PROCESSED row; False where this event is processed, dead or discarded already at this subscriber."""
    row = _claim_statement(context).one(
        subscriber=subscriber, event_id=envelope.event_id, event_type=envelope.type, tries=int(not counted)
    )
    return row is not None


@cache
def _claim_statement(context: str) -> Statement:
    return Statement(
        context,
        "claim_delivery",
        text=f"INSERT INTO {inbox_of(context)._meta.db_table} AS inbox"
        " (subscriber, event_id, event_type, status, attempts, error, decided_by)"
        " VALUES (%(subscriber)s, %(event_id)s::uuid, %(event_type)s, 'PROCESSED', 1, '', '')"
        " ON CONFLICT (subscriber, event_id) DO UPDATE SET status = 'PROCESSED', due_at = NULL,"
        " attempts = inbox.attempts + %(tries)s, envelope = NULL WHERE inbox.status = 'RETRYING' RETURNING id",
    )


def _record_failure(
    context: str, subscriber: str, envelope: Envelope, error: Exception, *, counted: bool
) -> DeliveryStatus | None:
    """Leave a row that says when to try again, or that a human is needed."""
    model = inbox_of(context)
    alias = transactions.alias_for(context)
    with transactions.transaction(context):
        entry, _created = (
            model._default_manager.using(alias)
            .select_for_update()
            .get_or_create(
                subscriber=subscriber,
                event_id=envelope.event_id,
                defaults={
                    "event_type": envelope.type,
                    "status": DeliveryStatus.RETRYING,
                    "attempts": 0,
                    "envelope": envelope.to_json(),
                },
            )
        )
        if entry.status != DeliveryStatus.RETRYING:
            return None
        attempts = entry.attempts + int(not counted)
        status = DeliveryStatus.DEAD if attempts >= settings.EVENTS_MAX_ATTEMPTS else DeliveryStatus.RETRYING
        wait = timedelta(seconds=backoff_seconds(attempts))
        model._default_manager.using(alias).filter(pk=entry.pk, status=DeliveryStatus.RETRYING).update(
            status=status,
            attempts=attempts,
            due_at=None if status == DeliveryStatus.DEAD else Now() + wait,
            error="".join(traceback.format_exception(error))[-8000:],
        )
    if status == DeliveryStatus.DEAD:
        log.error("event.dead_lettered", attempts=attempts, error=repr(error))
    else:
        log.warning(
            "event.retry_scheduled", attempts=attempts, in_seconds=round(wait.total_seconds(), 1), error=repr(error)
        )
    return status


def bury(*, context: str, subscriber: str, attributes: dict[str, Any], error: str) -> DeliveryStatus:
    """Record a message that no attempt of this release can apply as a dead letter; kept whole, once.

    A delivery that was being retried when this release forgot its event or its subscriber dies here too.
    """
    digest = hashlib.sha256(json.dumps(attributes, sort_keys=True, default=str).encode()).hexdigest()
    try:
        event_id = uuid.UUID(str(attributes.get("id")))
    except ValueError:
        event_id = derived_id("unreadable", digest)
    rows = inbox_of(context)._default_manager.using(transactions.alias_for(context))
    with transactions.transaction(context):
        entry, created = rows.get_or_create(
            subscriber=_printable(subscriber)[:120],
            event_id=event_id,
            defaults={
                "event_type": _printable(attributes.get("type", "unreadable"))[:80],
                "status": DeliveryStatus.DEAD,
                "envelope": attributes if is_storable(attributes) else {"unstorable": ascii(attributes)},
                "error": _printable(error),
            },
        )
        if not created:
            rows.filter(pk=entry.pk, status=DeliveryStatus.RETRYING).update(
                status=DeliveryStatus.DEAD, due_at=None, error=_printable(error)
            )
    log.error("event.dead_lettered", subscriber=subscriber, event_id=str(event_id), error=error)
    return DeliveryStatus.DEAD


def is_storable(attributes: Any) -> bool:
    """Return whether a jsonb column can hold this; PostgreSQL knows no NUL, no half of a surrogate pair and no NaN."""
    try:
        text = json.dumps(attributes, ensure_ascii=False, allow_nan=False)
        text.encode()
    except (ValueError, TypeError, RecursionError):
        return False
    return "\\u0000" not in text.replace("\\\\", "")


def _printable(value: object) -> str:
    return str(value).encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def waiting() -> dict[str, str]:
    """Return, by context, the SQL condition that a failed delivery is due."""
    inboxes = [model for model in apps.get_models() if issubclass(model, InboxEntry)]
    return {
        model._meta.app_label: f"EXISTS (SELECT 1 FROM {model._meta.db_table} WHERE status = 'RETRYING' AND due_at <= now())"
        for model in inboxes
    }


def retry_due(context: str, *, limit: int = 100) -> int:
    """Retry the due deliveries of `context`, one after the other; return how many were tried.

    Each is claimed alone, for a lease. A worker that dies delays only the delivery it held.
    """
    tried = 0
    while tried < limit and (taken := _take_due(context)) is not None:
        tried += 1
        entry_id, subscriber, envelope, attempts = taken
        if attempts > settings.EVENTS_MAX_ATTEMPTS:
            _give_up(context, entry_id)
        else:
            deliver(subscriber=subscriber, attributes=json.loads(envelope or "{}"), counted=True)
    return tried


def _take_due(context: str) -> tuple[Any, ...] | None:
    """Take the delivery that has been due for longest, and count the attempt: its worker may not live to do so."""
    with transactions.single(context):
        return _due_statement(context).one(lease=RETRY_LEASE_SECONDS)


@cache
def _due_statement(context: str) -> Statement:
    table = inbox_of(context)._meta.db_table
    return Statement(
        context,
        "take_due_delivery",
        # Not a subquery: a nested loop would run that once for each row, and take as many.
        text=f"WITH due AS MATERIALIZED (SELECT id FROM {table} WHERE status = 'RETRYING' AND due_at <= now()"
        "  ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)"
        f" UPDATE {table} AS inbox SET due_at = now() + make_interval(secs => %(lease)s), attempts = inbox.attempts + 1"
        " FROM due WHERE inbox.id = due.id"
        " RETURNING inbox.id, inbox.subscriber, inbox.envelope::text, inbox.attempts",
    )


def _give_up(context: str, entry_id: int) -> None:
    """Leave a delivery to a human whose every attempt died before it could record an outcome."""
    rows = inbox_of(context)._default_manager.using(transactions.alias_for(context))
    with transactions.transaction(context):
        rows.filter(pk=entry_id, status=DeliveryStatus.RETRYING).update(
            status=DeliveryStatus.DEAD,
            due_at=None,
            error=Concat("error", Value("\nno worker lived to record its last attempt")),
        )
    log.error(
        "event.dead_lettered", context=context, entry_id=entry_id, error="no worker lived to record its last attempt"
    )
