"""The virtual clock: PostgreSQL, Python and the card provider all read the one moment that the scheduler sets.

PostgreSQL looks for a function in the schemas of the search path, and in pg_catalog first only where the path does not
name it. So a schema before pg_catalog has functions of the same names as PostgreSQL's clocks, which read a setting of
the session; the setting travels with the next statement that runs. The defaults of columns were bound to the real clock
when the tables were made, and are bound anew. Each commit moves the clock by a tick, so that no two writes are at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connections
from django.db.backends.signals import connection_created

from orders.gateways import inventory_breaker
from payments.gateways.stripe import adapter as stripe_adapter
from shop import clock as real_clock
from shop.database.schemas import SEARCH_PATH

EPOCH = datetime(2031, 3, 3, 9, 0, tzinfo=UTC)
TICK = timedelta(microseconds=10)
CLOCKS = ("now", "statement_timestamp", "transaction_timestamp", "clock_timestamp")
MAKE_CLOCKS = "CREATE SCHEMA IF NOT EXISTS virtual; " + "; ".join(
    f"CREATE OR REPLACE FUNCTION virtual.{name}() RETURNS timestamptz STABLE LANGUAGE sql AS"
    " $$ SELECT current_setting('virtual.now')::timestamptz $$"
    for name in CLOCKS
)
DEFAULTS = (
    "SELECT format('%%I.%%I', n.nspname, c.relname), quote_ident(a.attname) FROM pg_attrdef AS d"
    " JOIN pg_class AS c ON c.oid = d.adrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    " JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = d.adnum"
    " WHERE n.nspname <> 'pg_catalog' AND (pg_get_expr(d.adbin, d.adrelid) ~ '(now|timestamp)\\(\\)'"
    " OR pg_get_expr(d.adbin, d.adrelid) = 'CURRENT_TIMESTAMP') ORDER BY 1, 2"
)


class VirtualClock:
    """The one moment."""

    def __init__(self) -> None:
        self.moment = EPOCH
        self._ids = 0

    def reset(self) -> None:
        """Begin another history."""
        self.moment, self._ids = EPOCH, 0

    def now(self) -> datetime:
        """Return the moment, as shop.clock.now does."""
        return self.moment

    def monotonic(self) -> float:
        """Return seconds that only grow."""
        return (self.moment - EPOCH).total_seconds()

    def time_ns(self) -> int:
        """Return Unix nanoseconds; no two calls get the same, so that ids are in the order of their making."""
        self._ids += 1
        return int(self.moment.timestamp() * 1_000_000) * 1000 + self._ids * 250

    def tick(self) -> None:
        """Let a commit pass."""
        self.moment += TICK

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.moment += timedelta(seconds=seconds)

    def tell(self, connection: Any) -> str:
        """Return the statement that has the session know the moment, "" where it does."""
        if getattr(connection, "knows_moment", None) == self.moment:
            return ""
        connection.knows_moment = self.moment
        return f"SET virtual.now = '{self.moment.isoformat()}'; "

    def forget(self, connection: Any) -> None:
        """Have the session told again: a rollback undoes what it was told."""
        connection.knows_moment = None

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Have everything read this clock."""
        breakers = (inventory_breaker, stripe_adapter.BREAKER)
        kept = [(breaker, breaker._machine._clock) for breaker in breakers]
        readers = _readers_of(real_clock.now)
        for breaker in breakers:
            breaker._machine._clock = breaker._machine.window._clock = self.monotonic
        for module in readers:
            module.now = self.now
        connection_created.connect(self._on_connection)
        with _columns_bound_to("virtual.now()"):
            for alias in connections:
                self._on_connection(connections[alias])
            try:
                yield
            finally:
                connection_created.disconnect(self._on_connection)
                connections.close_all()
        for module in readers:
            module.now = real_clock_now
        for breaker, monotonic in kept:
            breaker._machine._clock = breaker._machine.window._clock = monotonic
            breaker.reset()

    def _on_connection(self, connection: Any, **_kwargs: Any) -> None:
        connection.ensure_connection()
        with connection.connection.cursor() as cursor:
            cursor.execute(f"SET search_path = virtual, pg_catalog, {', '.join(SEARCH_PATH)}")
            cursor.execute(f"SET virtual.now = '{self.moment.isoformat()}'")
        connection.knows_moment = None


real_clock_now = real_clock.now


def _readers_of(function: Callable[[], datetime]) -> list[Any]:
    """Return the product's modules that know this function by the name `now`."""
    return [
        module
        for name, module in sorted(sys.modules.items())
        if not name.startswith("tests.") and getattr(module, "now", None) is function
    ]


@contextmanager
def _columns_bound_to(expression: str) -> Iterator[None]:
    """Have columns whose default is the present take it from `expression`; afterwards from PostgreSQL's clock again."""
    bound: dict[str, list[tuple[str, str]]] = {}
    for alias in connections:
        with connections[alias].cursor() as cursor:
            cursor.execute(MAKE_CLOCKS)
            cursor.execute(DEFAULTS.replace("%%", "%"))
            bound[alias] = cursor.fetchall()
    _bind(bound, expression)
    try:
        yield
    finally:
        _bind(bound, "pg_catalog.statement_timestamp()")
        for alias in connections:
            with connections[alias].cursor() as cursor:
                cursor.execute("DROP SCHEMA virtual CASCADE")


def _bind(bound: dict[str, list[tuple[str, str]]], expression: str) -> None:
    for alias, columns in bound.items():
        with connections[alias].cursor() as cursor:
            for table, column in columns:
                cursor.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT {expression}")
