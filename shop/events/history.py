"""The checks that hold rows with a status, and the inboxes, against the facts of a context (I8 and I9).

One statement reads a row with its facts, so it sees a move with its event or neither; still, what looks wrong is read
again before it is reported. A row so old that early facts of it may be pruned is only asked for its latest one, and
only where `changed_field` shows that this one must be there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.db import connections
from django.db.models import Field
from django.db.models.functions import Now

from shop import transactions
from shop.audit import Check, Violation, register_check
from shop.events.inbox import DeliveryStatus, inbox_of
from shop.events.outbox import outbox_of
from shop.states import StatusModel

PAGE = 1000
# A pruning that ran a moment ago may have taken what the setting only now gives free.
MARGIN = timedelta(hours=1)
DELIVERY_OVERDUE = timedelta(minutes=15)

StatusAfter = Mapping[str, str | Callable[[Mapping[str, Any]], str]]


@dataclass(frozen=True)
class _Row:
    """A row beside the moves that its facts tell, in the order in which they were told."""

    pk: UUID
    status: str
    version: int
    all_kept: bool
    latest_kept: bool
    versions: list[int]
    types: list[str]
    statuses: list[str]

    @property
    def has_its_facts(self) -> bool:
        """Say whether every fact is there that has to be."""
        if self.all_kept:
            return self.version > 0 and self.versions == list(range(1, self.version + 1))
        return not self.latest_kept or self.versions[-1:] == [self.version]


@dataclass(frozen=True, kw_only=True)
class _History:
    context: str
    model: type[StatusModel]
    noun: str
    status_after: StatusAfter
    born: Collection[str]
    since_field: str
    changed_field: str

    def missing_facts(self, row: _Row) -> str | None:
        """Say what is missing of the facts of `row`."""
        if row.has_its_facts:
            return None
        told = ", ".join(f"{number} {name}" for number, name in zip(row.versions, row.types, strict=True))
        return f"it is at version {row.version}, its facts are: {told or 'none'}"

    def wrong_way(self, row: _Row) -> str | None:
        """Say where the way that the facts tell leaves the table; a way with gaps is not judged (I8 names them)."""
        if row.status not in self.model.TRANSITIONS or row.version < 1:
            return f"there is no status {row.status} at version {row.version}"
        way = row.statuses
        if not way or not row.has_its_facts or not (row.all_kept or row.latest_kept):
            return None
        if row.all_kept and way[0] not in self.born:
            return f"it began as {way[0]}"
        if row.all_kept and any(
            target not in self.model.TRANSITIONS.get(source, ()) for source, target in pairwise(way)
        ):
            return f"it took a step that does not exist: {' > '.join(way)}"
        return None if way[-1] == row.status else f"its facts end in {way[-1]}, but it is {row.status}"

    def check(self, promise: str, judge: Callable[[_Row], str | None]) -> Callable[[], Iterator[Violation]]:
        """Return the check that reports what `judge` finds wrong twice."""

        def run() -> Iterator[Violation]:
            for row in self._rows():
                if judge(row) is None:
                    continue
                for fresh in self._read(row.pk, "="):
                    if detail := judge(fresh):
                        yield Violation(promise, f"{self.noun} {fresh.pk}", detail)

        return run

    def _rows(self) -> Iterator[_Row]:
        after = UUID(int=0)
        while page := self._read(after, ">"):
            yield from page
            after = page[-1].pk

    def _read(self, pk: UUID, comparison: str) -> list[_Row]:
        """Return a page of the rows that are to be looked at, with their facts, by rising key."""
        alias, meta = transactions.alias_for(self.context), self.model._meta
        quote = connections[alias].ops.quote_name
        key, since, changed = (
            quote(str(cast("Field[Any, Any]", meta.get_field(name)).column))
            for name in (meta.pk.name, self.since_field, self.changed_field or self.since_field)
        )
        parameters: dict[str, Any] = {
            "kept": timedelta(days=settings.EVENTS_RETENTION_DAYS) - MARGIN,
            "pk": pk,
            "statuses": list(self.model.TRANSITIONS),
            "moves": list(self.status_after),
        }
        with connections[alias].cursor() as cursor:
            cursor.execute(
                f"WITH page AS (SELECT {key} AS pk, status, version, {since} > now() - %(kept)s AS all_kept,"
                f"   {changed} > now() - %(kept)s AS latest_kept FROM {quote(meta.db_table)}"
                f"  WHERE {key} {comparison} %(pk)s AND ({since} > now() - %(kept)s OR {changed} > now() - %(kept)s"
                f"   OR version < 1 OR status <> ALL(%(statuses)s)) ORDER BY {key} LIMIT {PAGE})"
                " SELECT page.*, facts.* FROM page CROSS JOIN LATERAL (SELECT"
                "   array_agg(o.aggregate_version ORDER BY o.id), array_agg(o.type::text ORDER BY o.id),"
                f"  array_agg(o.payload::text ORDER BY o.id) FROM {quote(outbox_of(self.context)._meta.db_table)} AS o"
                "   WHERE o.aggregate_id = page.pk AND o.type = ANY(%(moves)s)) AS facts ORDER BY page.pk",
                parameters,
            )
            return [self._row(*columns) for columns in cursor.fetchall()]

    def _row(self, *columns: Any) -> _Row:
        pk, status, version, all_kept, latest_kept, versions, types, payloads = columns
        statuses = list(map(self._status, types or [], payloads or []))
        return _Row(pk, status, version, all_kept, latest_kept, versions or [], types or [], statuses)

    def _status(self, fact: str, payload: str) -> str:
        after = self.status_after[fact]
        return str(after(json.loads(payload)) if callable(after) else after)


def register_history_checks(
    *,
    context: str,
    model: type[StatusModel],
    noun: str,
    status_after: StatusAfter,
    born: Collection[str],
    since_field: str,
    changed_field: str = "",
) -> None:
    """Have every audit check that each version of each row has its fact, and that the facts walk through the table.

    `status_after`: the type of a fact -> the status it leaves, or a function of its payload that says so; facts of
    other types tell of no move. `since_field` holds the moment of a row's first fact, `changed_field` of its latest.
    """
    history = _History(
        context=context,
        model=model,
        noun=noun,
        status_after=status_after,
        born=frozenset(map(str, born)),
        since_field=since_field,
        changed_field=changed_field,
    )
    for promise, title, judge in (
        ("I8", f"each move of each {noun} has its event", history.missing_facts),
        ("I9", f"each {noun} moved along its table only", history.wrong_way),
    ):
        register_check(Check(promise, context, title, history.check(promise, judge)))


def register_inbox_check(context: str) -> None:
    """Have every audit check that failed deliveries of `context` are tried again; dead letters wait for a human."""

    def run() -> Iterator[Violation]:
        rows = inbox_of(context)._default_manager.using(transactions.alias_for(context))
        stuck = rows.filter(status=DeliveryStatus.RETRYING, due_at__lt=Now() - DELIVERY_OVERDUE)
        for found in stuck.order_by("due_at"):
            if entry := stuck.filter(pk=found.pk).first():
                detail = f"due since {entry.due_at:%F %T} UTC, attempt {entry.attempts}: nobody retries it"
                yield Violation("I8", f"delivery {entry.event_id} at {entry.subscriber}", detail)

    register_check(Check("I8", context, "every event heard is applied or waits for a human", run))
