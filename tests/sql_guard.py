"""Watches every statement of every connection: imports cannot show a query that reaches into another context."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

from django.apps import apps
from django.db import connections
from django.db.backends.signals import connection_created

from shop.contexts import CONTEXTS

_housekeeping: list[None] = []
WRITES = re.compile(r"\b(INSERT\s+INTO|UPDATE|DELETE\s+FROM|MERGE\s+INTO|TRUNCATE)\b", re.IGNORECASE)
# What another session can notice: rows, locks, tables.
CHANGES = re.compile(
    rf"{WRITES.pattern}|\bFOR\s+(NO\s+KEY\s+)?(UPDATE|SHARE)\b|\b(advisory|LOCK|NOTIFY|CREATE|ALTER|DROP)",
    re.IGNORECASE,
)


@contextmanager
def housekeeping() -> Iterator[None]:
    """Let no guard look at what the suite itself does before and after a test."""
    _housekeeping.append(None)
    try:
        yield
    finally:
        _housekeeping.pop()


class SqlGuard:
    """Collects a violation for each statement that names two contexts and each transaction that writes to two."""

    _tables: re.Pattern[str] | None = None
    _context_of: dict[str, str] = {}

    def __init__(self) -> None:
        self.violations: list[str] = []
        self.statements: list[str] = []
        self.changed_through: set[str] = set()
        self._lock = threading.Lock()
        self._written: dict[int, tuple[object, set[str]]] = {}
        self._installed: list[Any] = []

    @classmethod
    def _pattern(cls) -> re.Pattern[str]:
        if cls._tables is None:
            cls._context_of = {
                model._meta.db_table: model._meta.app_label
                for model in apps.get_models(include_auto_created=True)
                if model._meta.app_label in CONTEXTS
            }
            names = sorted(map(re.escape, cls._context_of), key=len, reverse=True)
            cls._tables = re.compile(rf'(?<![\w.])"?({"|".join(names) or "(?!)"})"?(?!\w)')
        return cls._tables

    def __enter__(self) -> Self:
        self._pattern()
        for connection in connections.all(initialized_only=True):
            self._install(connection)
        connection_created.connect(self._on_connection)
        return self

    def __exit__(self, *_exception: object) -> None:
        connection_created.disconnect(self._on_connection)
        for connection in self._installed:
            if self.watch in connection.execute_wrappers:
                connection.execute_wrappers.remove(self.watch)

    def _on_connection(self, connection: Any, **_kwargs: Any) -> None:
        self._install(connection)

    def _install(self, connection: Any) -> None:
        if self.watch not in connection.execute_wrappers:
            connection.execute_wrappers.append(self.watch)
            self._installed.append(connection)

    def watch(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        """Judge one statement, then run it."""
        text = str(sql)
        if not _housekeeping and CHANGES.search(text):
            self.changed_through.add(context["connection"].alias)
        if not _housekeeping and "session_replication_role" not in text:
            self._judge(context["connection"], text)
        return execute(sql, params, many, context)

    def _judge(self, connection: Any, sql: str) -> None:
        named = {self._context_of[table] for table in self._pattern().findall(sql)}
        with self._lock:
            self.statements.append(sql)
            if len(named) > 1:
                self.violations.append(f"one statement names tables of {' and '.join(sorted(named))}: {sql[:300]}")
            if not named or not WRITES.search(sql) or not connection.in_atomic_block:
                return
            outermost = connection.atomic_blocks[0]
            known, written = self._written.get(id(connection), (None, set()))
            if known is not outermost:
                written = set()
            written |= named
            self._written[id(connection)] = (outermost, written)
            if len(written) > 1:
                self.violations.append(f"one transaction writes to {' and '.join(sorted(written))}: {sql[:300]}")
