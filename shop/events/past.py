"""The history: where facts are kept once they have left the outbox, one append-only table per context.

The outbox is a queue. A trigger moves each row that is deleted from it to the history, in the same statement, so that no
deletion loses a fact: not the sweep's, and not that of a release that knows no history. Another trigger refuses to change
a row of the history, and to delete one that its watermark has not passed. ADR 0030.

A fact of the history holds ids, codes and amounts, and the id of the account that acted: no personal data. What an outbox
holds besides, for those who hear of it, stays behind.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.apps import apps
from django.db import models

from shop import transactions
from shop.actors import LONGEST
from shop.events.outbox import outbox_of
from shop.statements import Statement

# A pruning deletes up to a moment that was a little later than the one at which it moved the watermark.
MARGIN = timedelta(hours=1)
# Members of payloads that the history does not take: they lead to a person.
LEFT_BEHIND = ("tracking_number",)
COLUMNS = (
    "id",
    "event_id",
    "type",
    "aggregate_id",
    "aggregate_version",
    "payload",
    "occurred_at",
    "traceparent",
    "actor",
    "request_id",
)


class HistoryEntry(models.Model):
    """A fact that was published so long ago that the outbox let go of it. `id` is the one that it had there."""

    id = models.BigIntegerField(primary_key=True)
    event_id = models.UUIDField(editable=False)
    type = models.CharField(max_length=80)
    schema_version = models.PositiveSmallIntegerField()
    aggregate_id = models.UUIDField()
    aggregate_version = models.PositiveIntegerField()
    payload = models.JSONField()
    traceparent = models.CharField(max_length=55, blank=True)
    actor = models.CharField(max_length=LONGEST, blank=True, help_text="Who did it.")
    request_id = models.UUIDField(null=True, editable=False, help_text="The request in which it was done.")
    occurred_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        abstract = True
        indexes = [
            models.Index(fields=["aggregate_id", "id"], name="%(app_label)s_past_aggregate"),
            models.Index(
                fields=["id"], name="%(app_label)s_past_untold", condition=models.Q(published_at__isnull=True)
            ),
        ]
        verbose_name = "past fact"

    def __str__(self) -> str:
        return f"{self.type} of {self.aggregate_id} v{self.aggregate_version}"


class Kept(models.TextChoices):
    """What a context keeps for a time only."""

    # Since then what leaves the outbox goes to the history; an earlier release threw it away.
    BEGAN = "BEGAN", "start of the history"
    HISTORY = "HISTORY", "facts in the history"
    INBOX = "INBOX", "facts heard"


class WatermarkRow(models.Model):
    """Since when a context has all of something. It only rises, and it rises before the first row is deleted.

    So what may be missing never depends on a setting, which another process may read otherwise, or which has changed.
    """

    kept = models.CharField(primary_key=True, max_length=16, choices=Kept.choices)
    since = models.DateTimeField()

    class Meta:
        abstract = True
        verbose_name = "watermark"

    def __str__(self) -> str:
        return f"{self.kept} since {self.since}"


@dataclass(frozen=True, slots=True)
class PastFact:
    """A fact, from the outbox or from the history."""

    pk: int
    event_id: uuid.UUID
    type: str
    aggregate_id: uuid.UUID
    aggregate_version: int
    payload: Any
    occurred_at: datetime
    traceparent: str
    actor: str
    request_id: uuid.UUID | None


def history_of(context: str) -> type[HistoryEntry]:
    """Return the history model of a context. Raises: LookupError where the context publishes nothing."""
    model: Any = apps.get_model(context, "History")
    return model  # type: ignore[no-any-return]


def watermark_of(context: str) -> type[WatermarkRow]:
    """Return the model of a context's watermarks."""
    model: Any = apps.get_model(context, "Watermark")
    return model  # type: ignore[no-any-return]


def facts_about(context: str, aggregate_ids: Collection[uuid.UUID]) -> list[PastFact]:
    """Return every fact of these aggregates, however old, in the order in which they were told, without what is LEFT_BEHIND.

    One statement, so that a fact which is just being moved is seen once.
    """
    alias = transactions.alias_for(context)
    queue, past = (
        model._default_manager.using(alias)
        .filter(aggregate_id__in=list(aggregate_ids))
        .order_by()
        .values_list(*COLUMNS)
        for model in (outbox_of(context), history_of(context))
    )
    facts = [PastFact(*values) for values in queue.union(past, all=True).order_by("id")]
    return [replace(fact, payload=_lasting(fact.payload)) for fact in facts]


def _lasting(payload: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in payload.items() if name not in LEFT_BEHIND}


def complete_since(context: str, *kept: Kept) -> datetime | None:
    """Return the moment since which all of these are there; None where nothing was ever let go of."""
    rows = watermark_of(context)._default_manager.using(transactions.alias_for(context))
    return max(rows.filter(kept__in=kept).values_list("since", flat=True), default=None)


def let_go(context: str, kept: Kept, *, after: timedelta) -> None:
    """Raise the watermark before a pruning deletes what is older than `after`; durable at once."""
    with transactions.single(context):
        _raising(context).run(kept=str(kept), seconds=(after - MARGIN).total_seconds())


@cache
def _raising(context: str) -> Statement:
    table = watermark_of(context)._meta.db_table
    return Statement(
        context,
        "raise_watermark",
        text=f"INSERT INTO {table} AS watermark (kept, since)"
        " SELECT %(kept)s, now() - make_interval(secs => %(seconds)s::float8)"
        " ON CONFLICT (kept) DO UPDATE SET since = greatest(watermark.since, excluded.since)",
    )
