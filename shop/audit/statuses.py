"""The checks that hold rows with a status against the facts of a context (I8 and I9).

One statement reads a row with its facts, so it sees a move with its event or neither; still, what looks wrong is read
again before it is reported. Facts are read from the outbox and the history together. Nearly all rows of a page have gone one
of a few ways: PostgreSQL gives each way once, with the keys of the rows that went it, and a way is judged once.

Note [What may be missing]
The context's watermarks say since when all facts are there (shop/events/past.py), and no setting does. A row that is younger has all
of its facts. Of an older one those since the watermark are there, and all that followed the first of them; `changed_field`
shows whether there is one. Two facts of a row may have moments in the other order than versions, by the length of a
transaction, so versions are compared and not moments.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import pairwise
from typing import Any, cast
from uuid import UUID

from django.db import connections
from django.db.models import Field

from shop import audit, transactions
from shop.audit import Reading
from shop.events.outbox import outbox_of
from shop.events.past import Kept, complete_since, history_of
from shop.states import ByPayload, StatusModel

# Rows whose ways are put together at once.
PAGE = 5000
ALWAYS = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class _Way:
    """What rows of one status and version, whose facts tell the same moves, have in common; moves as they were told.

    `keys`: the rows' primary keys, with commas.
    """

    keys: str
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
    model: type[StatusModel]
    born: Collection[str]
    since_field: str
    changed_field: str

    @property
    def context(self) -> str:
        """Whose rows these are."""
        return self.model._meta.app_label

    @property
    def noun(self) -> str:
        """What such a row is called."""
        return str(self.model._meta.verbose_name)

    @cached_property
    def status_after(self) -> Mapping[str, str | ByPayload]:
        """The status that a fact leaves, by the fact's type; facts of other types tell of no move."""
        return {event.type: status for event, status in self.model.STATUS_AFTER.items()}

    def missing_facts(self, row: _Way) -> str | None:
        """Say what is missing of the facts of rows that went this way."""
        if row.has_its_facts:
            return None
        told = ", ".join(f"{number} {name}" for number, name in zip(row.versions, row.types, strict=True))
        return f"it is at version {row.version}, its facts are: {told or 'none'}"

    def wrong_way(self, row: _Way) -> str | None:
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

    def reading(self) -> Reading[_Way]:
        """Return the ways of the rows, read once for all that is judged of them; what is read again is one row's."""
        return Reading(self.context, self._ways, self._each_again, lambda row: f"{self.noun} {row.keys}")

    def _ways(self) -> Iterator[_Way]:
        after: UUID | None = UUID(int=0)
        while after is not None:
            ways, after = self._read(after, ">")
            yield from ways

    def _each_again(self, way: _Way) -> Iterator[_Way]:
        for key in way.keys.split(","):
            yield from self._read(UUID(key), "=")[0]

    def _read(self, key: UUID, comparison: str) -> tuple[list[_Way], UUID | None]:
        """Return the ways of a page of the rows that are to be looked at, by rising key, and its last key if more may follow."""
        alias = transactions.alias_for(self.context)
        parameters: dict[str, Any] = {
            "since": complete_since(self.context, Kept.BEGAN, Kept.HISTORY) or ALWAYS,
            "key": key,
            "judged": audit.since() or ALWAYS,
            "moves": list(self.status_after),
        }
        with connections[alias].cursor() as cursor:
            cursor.execute(self._sql(connections[alias].ops.quote_name, comparison), parameters)
            rows = cursor.fetchall()
        if not rows:
            return [], None
        read = sum(row[-2] for row in rows)
        audit.note_rows(read)
        return [self._way(*columns) for *columns, _count, _last in rows], rows[0][-1] if read == PAGE else None

    def _sql(self, quote: Callable[[str], str], comparison: str) -> str:
        meta = self.model._meta
        key, since, changed = (
            quote(str(cast("Field[Any, Any]", meta.get_field(name)).column))
            for name in (meta.pk.name, self.since_field, self.changed_field or self.since_field)
        )
        facts = " UNION ALL ".join(
            f"SELECT id, aggregate_version, type, payload, occurred_at FROM {quote(model._meta.db_table)}"
            "  WHERE aggregate_id = page.key AND type = ANY(%(moves)s)"
            for model in (outbox_of(self.context), history_of(self.context))
        )
        told = " ".join(
            f"WHEN '{name}' THEN ' ' || (f.payload->>'{after.member}')"
            for name, after in self.status_after.items()
            if isinstance(after, ByPayload)
        )
        move = f"f.aggregate_version || ' ' || f.type || coalesce({f'CASE f.type {told} END' if told else 'NULL'}, '')"
        return (
            f"WITH page AS (SELECT {key} AS key, status, version, {since} > %(since)s AS all_kept,"
            f"   {changed} > %(since)s AS latest_kept FROM {quote(meta.db_table)}"
            f"  WHERE {key} {comparison} %(key)s AND {since} >= %(judged)s ORDER BY {key} LIMIT {PAGE})"
            " SELECT string_agg(page.key::text, ',' ORDER BY page.key), page.status, page.version, page.all_kept, page.latest_kept,"
            "  facts.first_kept, facts.moves, count(*), (SELECT key FROM page ORDER BY key DESC LIMIT 1)"
            " FROM page CROSS JOIN LATERAL (SELECT"
            "   min(f.aggregate_version) FILTER (WHERE f.occurred_at > %(since)s) AS first_kept,"
            f"  array_agg({move} ORDER BY f.id) AS moves FROM ({facts}) AS f) AS facts GROUP BY 2, 3, 4, 5, 6, 7"
        )

    def _way(self, *columns: Any) -> _Way:
        keys, status, version, all_kept, latest_kept, first_kept, moves = columns
        told = [move.split(" ", 2) for move in moves or []]
        versions, types = [int(number) for number, *_more in told], [name for _number, name, *_more in told]
        statuses = [self._status(name, *payload) for _number, name, *payload in told]
        return _Way(keys, status, version, all_kept, latest_kept, first_kept, versions, types, statuses)

    def _status(self, fact: str, payload: str = "nothing") -> str:
        after = self.status_after[fact]
        return after.read(payload) if isinstance(after, ByPayload) else str(after)


def register_history_checks(
    model: type[StatusModel], *, born: Collection[str], since_field: str, changed_field: str = ""
) -> None:
    """Have every audit check that each version of each row has its fact, and that the facts walk through the table.

    `born`: the statuses that a row may begin in. `since_field` holds the moment of a row's first fact, `changed_field` of
    its latest.
    """
    history = _History(
        model=model, born=frozenset(map(str, born)), since_field=since_field, changed_field=changed_field
    )
    reading = history.reading()
    reading.register("I8", f"each move of each {history.noun} has its event", history.missing_facts)
    reading.register("I9", f"each {history.noun} moved along its table only", history.wrong_way)
