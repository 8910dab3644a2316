"""The audit: every promise of docs/architecture.md as checks that name each violation; docs/audit.md lists them all.

A context registers its checks in its apps.py; `manage.py audit` runs them all. A check reads committed state and may be run
at any time: what only holds at rest is judged of what has been still for a while, and what looks wrong across statements is
read again before it is reported. No check keeps more than a page of rows.

Here is what checks are made of. What is asked of every context's rows, facts and deliveries, and of the kernel's own tables,
stands beside it: statuses.py, bus.py, unheard.py, kernel.py.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, NamedTuple, Protocol, TypeVar
from uuid import UUID

from django.db import InterfaceError, OperationalError, connections

from shop import transactions
from shop.errors import Fault
from shop.ids import first_id_at

Row = TypeVar("Row")

# What one statement names at most: a table that is wrong altogether is told by its first rows.
MOST = 1000
# Rows of one context that are read together.
PAGE = 1000
# Clocks of two machines differ by less; what is dated later lies in the future.
SKEW = "interval '1 minute'"
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


def in_sql(statuses: Iterable[str]) -> str:
    """Return a set of statuses as a law's SQL asks for it."""
    return "({})".format(", ".join(f"'{status}'" for status in statuses))


class Page(Protocol):
    """Returns up to `limit` rows that begin with an order's id, by that id, from the first one past `after`."""

    def __call__(self, *, after: UUID, limit: int) -> Sequence[Any]:
        """Return these rows."""
        ...


@dataclass(frozen=True)
class Violation:
    """One broken promise: which, where, and the facts that show it."""

    promise: str
    subject: str
    detail: str


@dataclass(frozen=True)
class Unasked:
    """A check that could not be made because the provider or a database could not be asked: not a violation."""

    error: Exception

    def __str__(self) -> str:
        return f"could not be asked: {' '.join(str(self.error).split())}"


class Together(Protocol):
    """What several checks read together, once."""

    def judge(self, checks: Collection[Check]) -> Iterator[tuple[Check, Violation]]:
        """Yield what these checks find, in one go. Raises: Fault where it cannot ask."""
        ...


@dataclass(frozen=True)
class Check:
    """One promise, as one context can check it. `reading`: the rows that it judges together with other checks.

    `run` raises Fault where it cannot ask.
    """

    promise: str
    context: str
    title: str
    run: Callable[[], Iterable[Violation]]
    reading: Together | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Reading(Generic[Row]):
    """Rows that several checks judge as they pass, read once for all of them and never held together.

    `again` reads a row anew, "nothing" where it is gone: what looks wrong is judged twice, for a row that was put together
    by several statements may show two instants. Where a row stands for several that are alike, `again` reads each of these.
    `name` is the subject of a violation. `rows` notes what it reads.
    """

    context: str
    rows: Callable[[], Iterable[Row]]
    again: Callable[[Row], Iterable[Row]]
    name: Callable[[Row], str]
    _judges: dict[Check, Callable[[Row], str | None]] = field(default_factory=dict, compare=False)

    def register(self, promise: str, title: str, judge: Callable[[Row], str | None]) -> None:
        """Have every audit judge each row; `judge` returns what is wrong with it, None where nothing is."""
        check = Check(promise, self.context, title, lambda: (found for _check, found in self.judge([check])), self)
        self._judges[check] = judge
        register_check(check)

    def judge(self, checks: Collection[Check]) -> Iterator[tuple[Check, Violation]]:
        """Yield what these checks find, in one go."""
        judges = [(check, self._judges[check]) for check in checks]
        for row in self.rows():
            for check, judge in judges:
                if judge(row) is None:
                    continue
                for fresh in self.again(row):
                    if detail := judge(fresh):
                        yield check, Violation(check.promise, self.name(fresh), detail)


@dataclass(frozen=True)
class Scope:
    """What an audit looks at. `since`: only what was placed or told since then; `progress` is called with rows read."""

    since: datetime | None = None
    progress: Callable[[int], object] = lambda _rows: None


ALL = Scope()
_scope: ContextVar[Scope] = ContextVar("audit_scope", default=ALL)
_checks: dict[tuple[str, str, str], Check] = {}


@contextmanager
def within(scope: Scope) -> Iterator[None]:
    """Have the checks that run in this block keep to `scope`."""
    token = _scope.set(scope)
    try:
        yield
    finally:
        _scope.reset(token)


def since() -> datetime | None:
    """Return from which moment on things are judged, None for all of them."""
    return _scope.get().since


def first_id() -> UUID:
    """Return the id from which on orders, and what has their ids, are judged: ids rise with time."""
    moment = since()
    return UUID(int=0) if moment is None else first_id_at(moment)


def note_rows(rows: int) -> None:
    """Report that this many more rows were read."""
    _scope.get().progress(rows)


def register_check(check: Check) -> None:
    """Have `check` run with every audit."""
    _checks[check.promise, check.context, check.title] = check


class Law(NamedTuple):
    """One promise as one statement over tables of one context; its rows are subjects and details of violations.

    It sees one instant, so nothing is looked at twice. Its parameters: `first`, the first id that is judged; `since`, the
    first moment; and those it is registered with.
    """

    promise: str
    title: str
    sql: str


def register_law(context: str, law: Law, **values: Any) -> None:
    """Have every audit run the statement of a law, which has these parameters."""

    def run() -> Iterator[Violation]:
        parameters = values | {"first": first_id(), "since": since() or BEGINNING}
        for subject, detail in read(context, f"SELECT * FROM ({law.sql}) AS wrong LIMIT {MOST}", parameters):
            yield Violation(law.promise, subject, detail)

    register_check(Check(law.promise, context, law.title, run))


def read(context: str, sql: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Run a statement of the audit on a context's database and return its rows."""
    with connections[transactions.alias_for(context)].cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def by_order(context: str, row: Callable[..., Row], *pages: Page) -> Reading[Row]:
    """Return a reading that puts together what each of `pages` has of an order: `row(order_id, *found)`, None for nothing.

    Also of orders that only some of them know. The contexts' tables are never joined: each gives its rows by order.
    """

    def rows() -> Iterator[Row]:
        for number, (order_id, found) in enumerate(aligned(*(_stream(page) for page in pages)), start=1):
            yield row(order_id, *found)
            if not number % PAGE:
                note_rows(PAGE)

    def again(seen: Row) -> Iterator[Row]:
        order_id = _order_of(seen)
        before = UUID(int=order_id.int - 1)
        found = [next(iter(page(after=before, limit=1)), None) for page in pages]
        yield row(order_id, *(each if each and each[0] == order_id else None for each in found))

    return Reading(context, rows, again, lambda seen: f"order {_order_of(seen)}")


def _order_of(row: Any) -> UUID:
    order_id: UUID = row[0]
    return order_id


def _stream(page: Page) -> Iterator[tuple[UUID, Any]]:
    after = first_id()
    while rows := page(after=after, limit=PAGE):
        for row in rows:
            yield row[0], row
        if len(rows) < PAGE:
            return
        after = rows[-1][0]


def aligned(*streams: Iterator[tuple[UUID, Any]]) -> Iterator[tuple[UUID, list[Any]]]:
    """Yield each key of any of these streams, which rise by it, with what each has of it or None."""
    heads = [next(stream, None) for stream in streams]
    while standing := [head[0] for head in heads if head is not None]:
        key = min(standing)
        row: list[Any] = []
        for number, head in enumerate(heads):
            if head is not None and head[0] == key:
                row.append(head[1])
                heads[number] = next(streams[number], None)
            else:
                row.append(None)
        yield key, row


def checks() -> tuple[Check, ...]:
    """Return every registered check, by the number of its promise."""
    return tuple(sorted(_checks.values(), key=lambda check: (int(check.promise.lstrip("I")), check.context)))


def look(wanted: Collection[Check]) -> Iterator[tuple[tuple[Check, ...], Iterator[tuple[Check, Violation | Unasked]]]]:
    """Yield each of these checks with what it finds; those that read the same rows are made together."""
    groups: dict[int, list[Check]] = {}
    for check in wanted:
        groups.setdefault(id(check.reading or check), []).append(check)
    for group in groups.values():
        yield tuple(group), _make(tuple(group))


def _make(group: tuple[Check, ...]) -> Iterator[tuple[Check, Violation | Unasked]]:
    try:
        if (reading := group[0].reading) is not None:
            yield from reading.judge(group)
        else:
            yield from ((group[0], found) for found in group[0].run())
    except (Fault, OperationalError, InterfaceError) as error:
        yield from ((check, Unasked(error)) for check in group)


def violations() -> Iterator[Violation]:
    """Yield every violation of every promise. Raises: what kept a check from being made."""
    for _group, found in look(checks()):
        for _check, each in found:
            if isinstance(each, Unasked):
                raise each.error
            yield each
