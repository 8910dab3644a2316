"""The outbox: facts written in the transaction that makes them true, one table per context."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import msgspec
from django.apps import apps
from django.db import models
from django.db.models.functions import Now

from shop import transactions
from shop.actors import LONGEST, current_actor, current_request_id
from shop.events.event import Envelope, Event
from shop.ids import new_id
from shop.observability.tracing import current_traceparent
from shop.statements import Statement


class OutboxMessage(models.Model):
    """A fact on its way out: unpublished, claimed by a relay until a moment, published, or quarantined."""

    id = models.BigAutoField(primary_key=True)
    event_id = models.UUIDField(unique=True, editable=False)
    type = models.CharField(max_length=80)
    schema_version = models.PositiveSmallIntegerField()
    aggregate_id = models.UUIDField()
    aggregate_version = models.PositiveIntegerField()
    payload = models.JSONField()
    traceparent = models.CharField(max_length=55, blank=True)
    actor = models.CharField(max_length=LONGEST, blank=True, default="", db_default="", help_text="Who did it.")
    request_id = models.UUIDField(null=True, editable=False, help_text="The request in which it was done.")
    occurred_at = models.DateTimeField(db_default=Now())
    claimed_until = models.DateTimeField(null=True, editable=False)
    published_at = models.DateTimeField(null=True, editable=False)
    attempts = models.PositiveSmallIntegerField(db_default=0, default=0)
    quarantined_at = models.DateTimeField(null=True, editable=False)
    last_error = models.TextField(blank=True)

    class Meta:
        abstract = True
        indexes = [
            models.Index(
                fields=["id"],
                name="%(app_label)s_outbox_waiting",
                condition=models.Q(published_at=None, quarantined_at=None),
            ),
            models.Index(
                fields=["id"],
                name="%(app_label)s_outbox_refused",
                condition=models.Q(published_at=None, quarantined_at__isnull=False),
            ),
            models.Index(fields=["aggregate_id", "id"], name="%(app_label)s_outbox_aggregate"),
            models.Index(
                fields=["published_at", "id"],
                name="%(app_label)s_outbox_published",
                condition=models.Q(published_at__isnull=False),
            ),
        ]
        verbose_name = "outbox message"

    def __str__(self) -> str:
        return f"{self.type} of {self.aggregate_id} v{self.aggregate_version}"

    def envelope(self) -> Envelope:
        """Return the fact as it travels."""
        return Envelope(
            event_id=self.event_id,
            type=self.type,
            version=self.schema_version,
            context=self._meta.app_label,
            aggregate_id=self.aggregate_id,
            aggregate_version=self.aggregate_version,
            occurred_at=self.occurred_at,
            data=self.payload,
            traceparent=self.traceparent,
            position=self.pk,
        )


@dataclass
class _Gathering:
    """What a transaction that gathers has published and not written yet."""

    context: str
    facts: list[dict[str, Any]] = field(default_factory=list)


_gathering: ContextVar[_Gathering | None] = ContextVar("gathered_facts", default=None)


def outbox_of(context: str) -> type[OutboxMessage]:
    """Return the outbox model of a context. Raises: LookupError where the context publishes nothing."""
    model: Any = apps.get_model(context, "Outbox")
    return model  # type: ignore[no-any-return]


def publishing_contexts() -> list[str]:
    """Return the contexts that have an outbox."""
    return sorted(model._meta.app_label for model in apps.get_models() if issubclass(model, OutboxMessage))


def write(event: Event, *, aggregate_id: uuid.UUID, aggregate_version: int) -> None:
    """Write a fact to the outbox of the context that defines it, in that context's open transaction.

    Raises: TransactionMisuse outside a transaction of that context.
    """
    context = event.context()
    transactions.require(context)
    gathering = _gathering.get()
    if gathering is None or gathering.context != context:
        _insertion(context).run(**fact(event), aggregate_id=aggregate_id, aggregate_version=aggregate_version)
    else:
        gathering.facts.append(
            _parameters(event) | {"aggregate_id": aggregate_id, "aggregate_version": aggregate_version}
        )


@contextmanager
def gathered(context: str) -> Iterator[None]:
    """Write what the block publishes in one statement, in the order in which it was published.

    For a transaction that does the work of several events. It is written at the end of the block, while every lock is
    held, or before the first fact that a statement of its own writes.
    """
    token = _gathering.set(_Gathering(context))
    try:
        yield
        _write_gathered(context)
    finally:
        _gathering.reset(token)


def _write_gathered(context: str) -> None:
    gathering = _gathering.get()
    if gathering is None or gathering.context != context or not gathering.facts:
        return
    facts, gathering.facts = gathering.facts, []
    _insertion_of_many(context).run(facts=msgspec.json.encode(facts).decode())


def fact(event: Event, *, prefix: str = "") -> dict[str, Any]:
    """Return the parameters with which a statement writes this fact, each name after `prefix`.

    Gathered facts are written first: the order of an aggregate's facts is the order of their row ids.
    """
    _write_gathered(event.context())
    return _parameters(event, prefix=prefix)


def _parameters(event: Event, *, prefix: str = "") -> dict[str, Any]:
    return {
        f"{prefix}event_id": new_id(),
        f"{prefix}event_type": event.type,
        f"{prefix}event_version": event.version,
        f"{prefix}payload": msgspec.json.encode(event).decode(),
    } | {f"{prefix}{name}": value for name, value in origin(order_id=getattr(event, "order_id", None)).items()}


def origin(*, order_id: uuid.UUID | None = None) -> dict[str, str | None]:
    """Return where a fact, of an order or another, comes from: the trace, who acts, the request, by their columns."""
    traceparent = current_traceparent(order_id=order_id)
    return {"traceparent": traceparent, "actor": current_actor(), "request_id": current_request_id()}


def trace_of(context: str, aggregate_id: uuid.UUID) -> str:
    """Return the traceparent of the first fact of an aggregate; "" where none is kept, or it had none."""
    with transactions.single(context):
        found = _first_trace(context).one(aggregate_id=aggregate_id)
    return str(found[0]) if found else ""


def trace_sql(model: type[models.Model], aggregate_id: str) -> str:
    """Return as an SQL expression what `trace_of` returns, null for "", of an aggregate of the context of `model`."""
    outbox = f"{model._meta.app_label}_outbox"
    return f"(SELECT told.traceparent FROM {outbox} AS told WHERE told.aggregate_id = {aggregate_id} ORDER BY told.id LIMIT 1)"


@cache
def _first_trace(context: str) -> Statement:
    text = f"SELECT {trace_sql(outbox_of(context), '%(aggregate_id)s::uuid')}"
    return Statement(context, "first_trace", text=text)


@cache
def _insertion_of_many(context: str) -> Statement:
    return Statement(
        context,
        "publish_many",
        text=f"INSERT INTO {outbox_of(context)._meta.db_table} (event_id, type, schema_version, payload, traceparent,"
        " actor, request_id, last_error, aggregate_id, aggregate_version) SELECT (fact->>'event_id')::uuid,"
        " fact->>'event_type', (fact->>'event_version')::smallint, (fact->>'payload')::jsonb, fact->>'traceparent',"
        " fact->>'actor', (fact->>'request_id')::uuid, '', (fact->>'aggregate_id')::uuid,"
        " (fact->>'aggregate_version')::integer"
        " FROM jsonb_array_elements(%(facts)s::jsonb) WITH ORDINALITY AS told (fact, place) ORDER BY place",
    )


@cache
def _insertion(context: str) -> Statement:
    return Statement(
        context,
        "publish",
        text=f"INSERT INTO {outbox_of(context)._meta.db_table} (event_id, type, schema_version, payload, traceparent,"
        " actor, request_id, last_error, aggregate_id, aggregate_version) SELECT %(event_id)s::uuid, %(event_type)s,"
        " %(event_version)s::smallint, %(payload)s::jsonb, %(traceparent)s, %(actor)s, %(request_id)s::uuid, '',"
        " %(aggregate_id)s::uuid, %(aggregate_version)s::integer",
    )
