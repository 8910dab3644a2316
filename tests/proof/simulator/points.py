"""The points of the running code, met in process: where a worker may die, and where another may come between.

They are those of tests/proof/crashes/points.py, found in the same way, but watched by several threads and taken away
again. Between `after` a commit and the next statement a worker holds no transaction: there others may act meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import psycopg
from django.conf import settings
from django.core import mail
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from shipping.gateways import CARRIERS
from shop.exchange import Exchange, Series
from tests.proof.crashes.points import WRITE
from tests.proof.simulator.clock import VirtualClock

CARRIER_CALLS = ("find", "book", "track", "void")


class Meeting(Protocol):
    """What is told of each point."""

    def before(self, name: str, *, kind: str, undo: Callable[[], None] | None = None) -> None:
        """Come to the moment before something durable or visible; `undo` where a transaction is open."""
        ...

    def after(self, name: str, *, kind: str) -> None:
        """Come to the moment after it; no transaction is open."""
        ...


class Points:
    """Watches the databases, the carrier and the mail server; the provider's and the bus's stand-ins tell by themselves."""

    def __init__(self, clock: VirtualClock, meeting: Meeting) -> None:
        self._clock = clock
        self._meeting = meeting
        self._undo: list[Callable[[], None]] = []
        self.written: set[str] = set()
        self.news: set[str] = set()
        self.writes = 0

    def take_news(self) -> set[str]:
        """Return which tables were written to since this was asked last."""
        news, self.news = self.news, set()
        return news

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Watch."""
        connection_created.connect(self._on_connection)
        for alias in connections:
            self._on_connection(connections[alias])
        self._watch_commits()
        carrier = CARRIERS[settings.SHIPPING_CARRIER]
        for verb in CARRIER_CALLS:
            self._watch(carrier, verb, f"carrier {verb}", "carrier")
        self._watch(type(mail.get_connection()), "send_messages", "mail server send", "mail")
        try:
            yield
        finally:
            connection_created.disconnect(self._on_connection)
            for alias in connections:
                if self._on_statement in connections[alias].execute_wrappers:
                    connections[alias].execute_wrappers.remove(self._on_statement)
            for undo in reversed(self._undo):
                undo()
            self._undo.clear()

    def _on_connection(self, connection: Any, **_kwargs: Any) -> None:
        if self._on_statement not in connection.execute_wrappers:
            connection.execute_wrappers.append(self._on_statement)

    def _replace(self, owner: Any, name: str, made: Any) -> None:
        original = owner.__dict__[name]
        self._undo.append(lambda: setattr(owner, name, original))
        setattr(owner, name, made)

    def _watch(self, owner: Any, method: str, name: str, kind: str) -> None:
        original = getattr(owner, method)

        def watched(*args: Any, **kwargs: Any) -> Any:
            self._meeting.before(name, kind=kind)
            result = original(*args, **kwargs)
            self._meeting.after(name, kind=kind)
            return result

        self._replace(owner, method, watched)

    def _watch_commits(self) -> None:
        commit, rollback = BaseDatabaseWrapper.commit, BaseDatabaseWrapper.rollback

        def watched_commit(connection: Any) -> None:
            tables = getattr(connection, "tables_written", [])
            if not tables:
                commit(connection)
                return
            connection.tables_written = []
            name = f"COMMIT {'+'.join(dict.fromkeys(tables))}"
            self._meeting.before(name, kind="commit", undo=connection.rollback)
            commit(connection)
            self._clock.tick()
            self._meeting.after(name, kind="commit")

        def watched_rollback(connection: Any) -> None:
            connection.tables_written = []
            self._clock.forget(connection)
            rollback(connection)

        self._replace(BaseDatabaseWrapper, "commit", watched_commit)
        self._replace(BaseDatabaseWrapper, "rollback", watched_rollback)

    def _on_statement(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        connection = context["connection"]
        found = WRITE.search(str(sql))
        alone = found is not None and not connection.in_atomic_block
        if found is not None:
            tables = set(WRITE.findall(sql))
            self.written |= tables
            self.news |= tables
            self.writes += 1
        if alone:
            self._meeting.before(f"{found[0].split()[0]} {found[1]}", kind="commit")
        result = self._told(execute, sql, params, many, context)
        if alone:
            self._clock.tick()
            self._meeting.after(f"{found[0].split()[0]} {found[1]}", kind="commit")
        elif found is not None and context["cursor"].rowcount:
            connection.tables_written = [*getattr(connection, "tables_written", []), found[1]]
        return result

    def _told(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        """Run a statement in a session that knows the moment."""
        connection = context["connection"]
        news = self._clock.tell(connection)
        try:
            # What the server binds is one statement, also with what tells the moment.
            if many or not isinstance(sql, str) or isinstance(context["cursor"], psycopg.Cursor | Exchange | Series):
                if news:
                    connection.connection.execute(news)
                return execute(sql, params, many, context)
            result = execute(news + sql, params, many, context)
            if news:
                context["cursor"].nextset()
        except BaseException:
            self._clock.forget(connection)
            raise
        return result
