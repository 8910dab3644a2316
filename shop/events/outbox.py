"""The outbox: facts written in the transaction that makes them true, one table per context."""

from __future__ import annotations

import uuid
from typing import Any

from django.apps import apps
from django.db import models
from django.db.models.functions import Now

from shop import transactions
from shop.events.event import Envelope, Event
from shop.ids import new_id
from shop.observability.tracing import current_traceparent


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
            models.Index(fields=["aggregate_id", "id"], name="%(app_label)s_outbox_aggregate"),
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
        )


def outbox_of(context: str) -> type[OutboxMessage]:
    """Return the outbox model of a context. Raises: LookupError where the context publishes nothing."""
    model: Any = apps.get_model(context, "Outbox")
    return model  # type: ignore[no-any-return]


def publish(event: Event, *, aggregate_id: uuid.UUID, aggregate_version: int) -> None:
    """Write a fact to the outbox of the context that defines it, in that context's open transaction.

    Write it while the aggregate's row is locked: the order of an aggregate's facts is the order of their row ids.
    Raises: TransactionMisuse outside a transaction of that context.
    """
    from shop.events import relay

    context = event.context()
    alias = transactions.require(context)
    outbox_of(context)._default_manager.using(alias).create(
        event_id=new_id(),
        type=event.type,
        schema_version=event.version,
        aggregate_id=aggregate_id,
        aggregate_version=aggregate_version,
        payload=event.payload(),
        traceparent=current_traceparent(),
    )
    transactions.after_commit(context, lambda: relay.wake(context))
