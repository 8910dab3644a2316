"""Claiming rows that are due: each is pushed ahead by a lease, in one statement that commits before the work begins.

A lease only keeps two workers from doing the same work. Whoever loses it may still finish and does no harm, so nothing
here writes to a row whose lease is not the one that was given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import count
from typing import Any, Generic, TypeVar

from django.db.models import Model, UUIDField

from shop import transactions
from shop.models import DueModel
from shop.resilience.retry import backoff_seconds
from shop.statements import Statement

Row = TypeVar("Row")

# Of the claims of one process, every eighth takes the oldest rows, whatever goes first, so that nothing waits for ever.
FAIR_CLAIM = 8


@dataclass(frozen=True)
class Claimed(Generic[Row]):
    """A row that this worker may work until `leased_until`; `attempts` counts those that failed before.

    `traceparent`: the trace of what made it due, as far as the claim reads that.
    """

    pk: Any
    row: Row
    attempts: int
    due_at: datetime
    leased_until: datetime
    traceparent: str = ""


@dataclass(frozen=True, kw_only=True)
class DueRows(Generic[Row]):
    """The rows of one table that one kind of work takes, as SQL over the table's columns.

    `only`: which rows these are. `columns`: what of a row `read` gets, as it stood before the claim; the key by default.
    `first`: `due_at` of the rows that go before the others, null for the others. It is an expression with an index of its own, so that
    the index of all that is due cannot seem cheaper. Each FAIR_CLAIM-th claim takes the oldest all the same.
    `also`: what the claim writes besides the lease, such as ", carrier = 'x'"; `claimed` is the row.
    `trace`: the traceparent of what made a row due, to be read with the claim; `due` is the row.
    `counts_attempts`: the claim counts the attempt, for work that may kill its worker; else only a failure is counted.
    Each row has its whole lease to itself where one is claimed at a time: make it longer than one row can take.
    """

    model: type[DueModel]
    lease_seconds: Callable[[], float]
    read: Callable[..., Row]
    only: str = "TRUE"
    first: str = ""
    columns: tuple[str, ...] = ()
    also: str = ""
    trace: str = "''"
    counts_attempts: bool = False
    name: str = "due"
    _claims: Iterator[int] = field(default_factory=lambda: count(1), init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make the texts now, so that they are checked with all others (tests) before a row is due."""
        _ = self._claim, self._move, self._return

    @property
    def context(self) -> str:
        """The context whose rows these are."""
        return self.model._meta.app_label

    def due(self) -> dict[str, str]:
        """Return by context the condition that a row is due, for the lookout."""
        table = self.model._meta.db_table
        return {self.context: f"EXISTS (SELECT 1 FROM {table} AS due WHERE due_at <= now() AND ({self.only}))"}

    def claim(self, *, limit: int, **values: object) -> list[Claimed[Row]]:
        """Claim up to `limit` rows that are due: those that go first, and then the oldest.

        `values` are parameters of `only` and `also`.
        """
        if self.first:
            values["fair"] = next(self._claims) % FAIR_CLAIM == 0
        with transactions.single(self.context):
            # Lost in a crash, a lease ends early, which the work has to tolerate anyway; what else it writes must stay.
            rows = self._claim.run(
                asynchronous=not self.also, limit=limit, lease_seconds=self.lease_seconds(), **values
            )
        rows.sort(key=lambda row: (not row[0], row[3], str(row[1])))
        return [
            Claimed(pk, self.read(*read), tried, due_at, until, trace or "")
            for _first, pk, tried, due_at, until, trace, *read in rows
        ]

    def give_back(self, *claimed: Claimed[Row]) -> None:
        """Make rows that were not worked due as they were before the claim, in one statement."""
        with transactions.single(self.context):
            # Lost in a crash, their leases end.
            self._return.run(
                asynchronous=True,
                pks=[one.pk for one in claimed],
                untils=[one.leased_until for one in claimed],
                moments=[one.due_at for one in claimed],
                failed=-1 if self.counts_attempts else 0,
            )

    def retry(self, claimed: Claimed[Row], *, after_seconds: float) -> None:
        """Make a row due soon whose work did not finish, through no failure of its own, without waiting for its lease to end."""
        wait = min(after_seconds, self.lease_seconds())
        with transactions.single(self.context):
            self._move.run(pk=claimed.pk, until=claimed.leased_until, wait=wait, failed=0, error=None)

    def postpone(self, claimed: Claimed[Row], *, error: str, cap_seconds: float = 300) -> None:
        """Note a failed attempt and try again after a backoff.

        A row that no longer has this lease is left alone: its own work, or somebody else, has settled when it is due.
        """
        wait = backoff_seconds(claimed.attempts + 1, cap=cap_seconds)
        failed = 0 if self.counts_attempts else 1
        with transactions.single(self.context):
            self._move.run(pk=claimed.pk, until=claimed.leased_until, wait=wait, failed=failed, error=error[-4000:])

    @cached_property
    def _claim(self) -> Statement:
        table, key = self.model._meta.db_table, self._key
        also = f"{self.also}, attempts = claimed.attempts + 1" if self.counts_attempts else self.also
        read = "".join(f", due.{column}" for column in self.columns or (key,))
        # The array: PostgreSQL does not know how few rows are taken, and would read the whole table for them.
        return Statement(
            self.context,
            f"claim_{table}_{self.name}",
            text=f"WITH {self._chosen}"
            f" UPDATE {table} AS claimed SET due_at = now() + make_interval(secs => %(lease_seconds)s::float8){also}"
            f" FROM due WHERE claimed.{key} = due.{key} AND claimed.{key} = ANY(ARRAY(SELECT {key} FROM due))"
            f" RETURNING due.is_first, claimed.{key}, due.attempts, due.due_at, claimed.due_at, {self.trace}{read}",
        )

    @property
    def _chosen(self) -> str:
        """The rows that a claim takes, as `due`: those that go first, and then the oldest."""
        if not self.first:
            return f"due AS MATERIALIZED ({self._locked('FALSE', 'due_at', '%(limit)s::int')})"
        key = self._key
        first = self._locked("TRUE", self.first, "CASE WHEN %(fair)s::bool THEN 0 ELSE %(limit)s::int END")
        oldest = self._locked(
            "FALSE",
            "due_at",
            "%(limit)s::int - (SELECT count(*) FROM first)",
            only=f" AND {key} NOT IN (SELECT {key} FROM first)",
        )
        return (
            f"first AS MATERIALIZED ({first}), oldest AS MATERIALIZED ({oldest}),"
            " due AS (SELECT * FROM first UNION ALL SELECT * FROM oldest)"
        )

    def _locked(self, is_first: str, moment: str, limit: str, *, only: str = "") -> str:
        """Return what selects and locks the rows with the earliest `moment`; those that another worker has locked are passed by."""
        table = self.model._meta.db_table
        return (
            f"SELECT due.*, {is_first} AS is_first, CASE WHEN %(asynchronous)s::bool THEN"
            f" set_config('synchronous_commit', 'off', true) END FROM {table} AS due"
            f" WHERE {moment} <= now() AND ({self.only}){only}"
            f" ORDER BY {moment} LIMIT {limit} FOR UPDATE SKIP LOCKED"
        )

    @cached_property
    def _return(self) -> Statement:
        table = self.model._meta.db_table
        return Statement(
            self.context,
            f"return_{table}_{self.name}",
            text="WITH returned AS MATERIALIZED (SELECT *, CASE WHEN %(asynchronous)s::bool THEN"
            f" set_config('synchronous_commit', 'off', true) END FROM unnest(%(pks)s::{self._kind}[],"
            " %(untils)s::timestamptz[], %(moments)s::timestamptz[]) AS returned (pk, until, due_at))"
            f" UPDATE {table} AS claimed SET due_at = returned.due_at, attempts = claimed.attempts + %(failed)s::int"
            f" FROM returned WHERE claimed.{self._key} = returned.pk AND claimed.due_at = returned.until",
        )

    @cached_property
    def _move(self) -> Statement:
        table = self.model._meta.db_table
        return Statement(
            self.context,
            f"move_{table}_{self.name}",
            text=f"UPDATE {table} SET due_at = now() + make_interval(secs => %(wait)s::float8),"
            " attempts = attempts + %(failed)s::int, last_error = coalesce(%(error)s::text, last_error)"
            f" WHERE {self._key} = %(pk)s::{self._kind} AND due_at = %(until)s::timestamptz",
        )

    @property
    def _kind(self) -> str:
        return "uuid" if isinstance(self.model._meta.pk, UUIDField) else "bigint"

    @property
    def _key(self) -> str:
        return str(self.model._meta.pk.column)


def whole(model: type[Model]) -> dict[str, Any]:
    """Return the `columns` and `read` of work that gets the whole row, as an instance of its model."""
    fields = model._meta.concrete_fields
    names = [field.attname for field in fields]
    return {
        "columns": tuple(str(field.column) for field in fields),
        "read": lambda *values: model.from_db(transactions.alias_for(model._meta.app_label), names, values),
    }


def key_itself(key: Any) -> Any:
    """Return the key: the `read` of work that reads its row itself."""
    return key
