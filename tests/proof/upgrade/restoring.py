"""Puts a recorded release back as it stood: a fresh database at its migrations with its rows, and the provider's books."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from local.stripe.store import Store
from shop import transactions
from shop.clock import now
from tests.driver.provider import Provider
from tests.proof.upgrade.releases import Json, Release

Serve = Callable[[Path], AbstractContextManager[Provider]]
MOMENTS = ("created", "canceled_at", "capture_before", "available_on")


@contextmanager
def databases_of(release: Release) -> Iterator[None]:
    """Point every connection at a fresh database that holds what the release left, migrated to today's tables.

    Time stands still between the record and the upgrade: every moment is moved by the time since.
    """
    names = {alias: connections[alias].settings_dict["NAME"] for alias in connections}
    try:
        for alias, name in names.items():
            _remake(alias, f"{name}_upgrade")
        restore(release)
        yield
    finally:
        for alias, name in names.items():
            connections[alias].close()
            connections[alias].settings_dict["NAME"] = name
            with connections[alias].cursor() as cursor:
                cursor.execute(f'DROP DATABASE IF EXISTS "{name}_upgrade" WITH (FORCE)')


def _remake(alias: str, name: str) -> None:
    with connections[alias].cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        cursor.execute(f'CREATE DATABASE "{name}"')
    connections[alias].close()
    connections[alias].settings_dict["NAME"] = name


def restore(release: Release) -> None:
    """Migrate to where the release was, put its rows there, and migrate on to where this release is."""
    age = now() - release.recorded_at
    for alias in connections:
        executor = MigrationExecutor(connections[alias])
        executor.migrate(release.leaves)
    for table, rows in release.rows("rows").items():
        _insert(table, rows, age)
    for alias in connections:
        call_command("migrate", database=alias, verbosity=0, interactive=False)


def _insert(table: str, rows: list[Json], age: timedelta) -> None:
    """Put rows into a table as it was then; no trigger runs, as none runs when a shop is upgraded."""
    with connections[transactions.alias_for(table.partition("_")[0])].cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(
            f"INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, %s::json)", [json.dumps(rows)]
        )
        cursor.execute(
            "SELECT attname, format_type(atttypid, NULL), pg_get_serial_sequence(%s, attname) FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
            [table, table],
        )
        for column, kind, sequence in cursor.fetchall():
            if kind == "timestamp with time zone":
                cursor.execute(f'UPDATE {table} SET "{column}" = "{column}" + %s', [age])  # type: ignore[list-item]
            if sequence:
                cursor.execute(f'SELECT setval(%s, max("{column}")) FROM {table}', [sequence])
        cursor.execute("SET session_replication_role = DEFAULT")


def write_books(release: Release, books: Path) -> None:
    """Write the provider's books as they were, in a file that the sandbox opens; time stood still for it too."""
    age = round((now() - release.recorded_at).total_seconds())
    Store(database=str(books)).close()
    with sqlite3.connect(books) as connection:
        for table, rows in release.rows("provider").items():
            for row in rows:
                later = _later(row, age)
                columns, marks = ", ".join(later), ", ".join("?" * len(later))
                connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", list(later.values()))
    connection.close()


def _later(value: Any, age: int, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _later(inner, age, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [_later(inner, age) for inner in value]
    if name == "body":
        return json.dumps(_later(json.loads(value), age))
    return value + age if name in MOMENTS and isinstance(value, int) else value
