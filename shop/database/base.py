"""The connection: finds every schema through the search path, and counts queries for Prometheus.

`OPTIONS["search_path"]` is "connection" (default: sent with every connect) or "role" (the login role has it by
`ALTER ROLE ... SET search_path`; PgBouncer refuses the `options` parameter that "connection" needs).
"""

from collections.abc import Callable
from functools import cached_property, partial
from types import TracebackType
from typing import Any

from django.db import OperationalError, connections
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.utils import DatabaseErrorWrapper
from django_prometheus.db import connection_errors_total, connections_total
from django_prometheus.db.backends.postgresql import base
from psycopg import IsolationLevel, errors

from shop.database.client import DatabaseClient, sends_search_path
from shop.database.pool import Pool, PooledConnection
from shop.database.schema import DatabaseSchemaEditor
from shop.database.schemas import SEARCH_PATH
from shop.database.validation import DatabaseValidation

# What psycopg counts as an internal error though it speaks of the server: a primary that became a standby in a failover, and
# sessions that the server ended since their transaction took too long.
SERVER_STATES = (errors.ReadOnlySqlTransaction, errors.IdleInTransactionSessionTimeout, errors.TransactionTimeout)


class ServerErrors(DatabaseErrorWrapper):
    """Django's translation of psycopg's errors, with those of the server's state where they belong.

    The session goes with them: another one may find the new primary.
    """

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Raise what Django raises, and OperationalError for SERVER_STATES."""
        if isinstance(error, SERVER_STATES):
            self.wrapper.leave_server()  # type: ignore[attr-defined]  # Django's stubs leave it out
            raise OperationalError(*error.args) from error
        super().__exit__(kind, error, traceback)


class DatabaseWrapper(base.DatabaseWrapper):
    """A PostgreSQL connection whose unqualified table names resolve in every context's schema."""

    _connection_pools: dict[str, Pool]
    _configure_connection: Callable[[Any], bool]
    # Whether the request that runs in this thread gave its connection back and will want another.
    _goes_on = False

    SchemaEditorClass = DatabaseSchemaEditor
    client_class = DatabaseClient
    validation_class = DatabaseValidation

    @property
    def pool(self) -> Pool | None:
        """The pool that the threads of this process share, made as Django makes its own; None without one."""
        wanted = self.settings_dict["OPTIONS"].get("pool")
        if not wanted or self.alias == NO_DB_ALIAS:
            return None
        if (made := self._connection_pools.get(self.alias)) is None:
            options = dict(wanted)
            answer_seconds = options.pop("answer_seconds", None)
            made = Pool(
                kwargs=self.get_connection_params() | {"autocommit": True},
                connection_class=PooledConnection,
                open=False,
                configure=partial(self._configure_pooled, answer_seconds),
                check=Pool.check_connection,
                **options,
            )
            # Of two threads that come first at once, one wins; the other's pool was never opened.
            made = self._connection_pools.setdefault(self.alias, made)
        return made

    @cached_property
    def wrap_database_errors(self) -> ServerErrors:
        """The translation of errors."""
        return ServerErrors(self)

    def leave_server(self) -> None:
        """Close this session, and have the pool replace those that are idle. What comes next connects anew."""
        self.errors_occurred = True
        if self.connection is not None:
            self.connection.close()
        if not self.in_atomic_block:  # else its end does
            self.close()
        if (pool := self.pool) is not None:
            pool.drain()

    def _configure_pooled(self, answer_seconds: float | None, connection: PooledConnection) -> None:
        connections_total.labels(self.alias, self.vendor).inc()
        connection.answer_seconds = answer_seconds
        self._configure_connection(connection)

    def hand_back(self) -> None:
        """Give the connection back to the pool in the middle of a request; without a pool, keep it."""
        if self.connection is not None and not self.in_atomic_block and self.pool is not None:
            self.close()
            self._goes_on = True

    def connect(self) -> None:
        """Connect as Django does; whoever gave a connection back takes one again, and all else still holds."""
        if not self._goes_on or self.pool is None:
            super().connect()
            return
        raw = self.get_new_connection({})
        if not raw.autocommit:
            raw.autocommit = True  # as whoever closed it within a transaction has left it
        self.errors_occurred = False
        self.connection = raw

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Connect, or take a connection of the pool: threads in the middle of their work come before those that begin.

        A thread waits with empty hands. One that kept the connection of orders while it waits for one of payments, and
        one that does so the other way round, would wait for each other where each context has a pool of its own.
        """
        if (pool := self.pool) is None:
            return super().get_new_connection(conn_params)  # type: ignore[no-untyped-call]
        for other in connections.all(initialized_only=True):
            if other.alias != self.alias:
                other.hand_back()  # type: ignore[attr-defined]  # every connection is of this module
        self.isolation_level = IsolationLevel.READ_COMMITTED
        pool.open()
        try:
            return pool.getconn_to_go_on() if self._goes_on else pool.getconn()
        except Exception:
            connection_errors_total.labels(self.alias, self.vendor).inc()
            raise

    def close_if_unusable_or_obsolete(self) -> None:
        """Do as Django does where a request begins and where it ends."""
        self._goes_on = False
        super().close_if_unusable_or_obsolete()

    def get_connection_params(self) -> dict[str, Any]:
        """Add the search path to the start-up options; options from the settings come last and win."""
        if self.settings_dict["OPTIONS"].get("pool") and self.alias in self._connection_pools:
            # The pool connects; a checkout needs no parameters, and to build them costs more than the checkout.
            return {}
        params: dict[str, Any] = super().get_connection_params()  # type: ignore[no-untyped-call]  # django-prometheus has no types
        params.pop("search_path", None)
        if sends_search_path(self.settings_dict):
            params["options"] = f"-c search_path={','.join(SEARCH_PATH)} {params.get('options', '')}".rstrip()
        return params
