"""The checks that hold rows with a status against the facts of a context (I8 and I9).

One statement reads a row with its facts, so it sees a move with its event or neither; still, what looks wrong is read
again before it is reported. Facts are read from the outbox and the history together.

Note [What may be missing]
The context's watermarks say since when all facts are there (past.py), and no setting does. A row that is younger has all
of its facts. Of an older one those since the watermark are there, and all that followed the first of them; `changed_field`
shows whether there is one. Two facts of a row may have moments in the other order than versions, by the length of a
transaction, so versions are compared and not moments.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from typing import Any, cast
from uuid import UUID

from django.db import connections
from django.db.models import Field

from shop import audit, transactions
from shop.audit import Check, Reading, Violation, register_check
from shop.events.outbox import outbox_of
from shop.events.past import Kept, complete_since, history_of
from shop.events.relay import publishing_contexts
from shop.states import StatusModel

PAGE = 1000
ALWAYS = datetime(1, 1, 1, tzinfo=UTC)

StatusAfter = Mapping[str, str | Callable[[Mapping[str, Any]], str]]


@dataclass(frozen=True)
class _Row:
    """A row beside the moves that its facts tell, in the order in which they were told."""

    pk: UUID
    status: str
    version: int
    all_kept: bool
    latest_kept: bool
    first_kept: int | None
    versions: list[int]
    types: list[str]
    statuses: list[str]

    @property
    def has_its_facts(self) -> bool:
        """Return whether every fact is there that has to be. See Note [What may be missing]."""
        if self.all_kept:
            return self.version > 0 and self.versions == list(range(1, self.version + 1))
        if self.first_kept is None:
            return not self.latest_kept
        followed = [version for version in self.versions if version >= self.first_kept]
        return followed == list(range(self.first_kept, self.version + 1))

    @property
    def whole_way(self) -> list[str]:
        """Return the statuses that its facts tell of without a gap."""
        return self.statuses if self.first_kept is None else self.statuses[-(self.version - self.first_kept + 1) :]

    @property
    def tells_its_end(self) -> bool:
        """Return whether its latest fact has to be there."""
        return self.all_kept or self.latest_kept or self.first_kept is not None


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
        if not way or not row.has_its_facts or not row.tells_its_end:
            return None
        if row.all_kept and way[0] not in self.born:
            return f"it began as {way[0]}"
        if any(target not in self.model.TRANSITIONS.get(source, ()) for source, target in pairwise(row.whole_way)):
            return f"it took a step that does not exist: {' > '.join(way)}"
        return None if way[-1] == row.status else f"its facts end in {way[-1]}, but it is {row.status}"

    def reading(self) -> Reading[_Row]:
        """Return the rows with their facts, read once for all that is judged of them."""
        return Reading(
            self.context, self._rows, lambda row: self._read(row.pk, "="), lambda row: f"{self.noun} {row.pk}"
        )

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
            "since": complete_since(self.context, Kept.BEGAN, Kept.HISTORY) or ALWAYS,
            "pk": pk,
            "judged": audit.since() or ALWAYS,
            "moves": list(self.status_after),
        }
        facts = " UNION ALL ".join(
            f"SELECT id, aggregate_version, type, payload, occurred_at FROM {quote(model._meta.db_table)}"
            "  WHERE aggregate_id = page.pk AND type = ANY(%(moves)s)"
            for model in (outbox_of(self.context), history_of(self.context))
        )
        with connections[alias].cursor() as cursor:
            cursor.execute(
                f"WITH page AS (SELECT {key} AS pk, status, version, {since} > %(since)s AS all_kept,"
                f"   {changed} > %(since)s AS latest_kept FROM {quote(meta.db_table)}"
                f"  WHERE {key} {comparison} %(pk)s AND {since} >= %(judged)s ORDER BY {key} LIMIT {PAGE})"
                " SELECT page.*, facts.* FROM page CROSS JOIN LATERAL (SELECT"
                "   min(f.aggregate_version) FILTER (WHERE f.occurred_at > %(since)s),"
                "   array_agg(f.aggregate_version ORDER BY f.id), array_agg(f.type::text ORDER BY f.id),"
                f"  array_agg(f.payload::text ORDER BY f.id) FROM ({facts}) AS f) AS facts ORDER BY page.pk",
                parameters,
            )
            return [self._row(*columns) for columns in cursor.fetchall()]

    def _row(self, *columns: Any) -> _Row:
        pk, status, version, all_kept, latest_kept, first_kept, versions, types, payloads = columns
        statuses = list(map(self._status, types or [], payloads or []))
        return _Row(pk, status, version, all_kept, latest_kept, first_kept, versions or [], types or [], statuses)

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
    reading = history.reading()
    reading.register("I8", f"each move of each {noun} has its event", history.missing_facts)
    reading.register("I9", f"each {noun} moved along its table only", history.wrong_way)


def register_past_checks() -> None:
    """Have every audit check that no fact left an outbox before it was published: nobody has heard of such a one."""
    for context in publishing_contexts():
        register_check(Check("I8", context, "no fact left the outbox unpublished", partial(_unpublished, context)))


def _unpublished(context: str) -> Iterator[Violation]:
    rows = history_of(context)._default_manager.using(transactions.alias_for(context))
    for fact in rows.filter(published_at=None).order_by("id"):
        yield Violation("I8", f"{fact.type} {fact.event_id} of {fact.aggregate_id}", "deleted before it was published")
