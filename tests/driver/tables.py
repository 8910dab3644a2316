"""The shop's tables, behind its back: a statement, every row, one table away, all of them empty."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from django.apps import apps
from django.db import connections, models, router

from shop import transactions
from shop.contexts import CONTEXTS
from shop.models import User


def execute(context: str, sql: str, *parameters: Any) -> None:
    with connections[transactions.alias_for(context)].cursor() as cursor:
        cursor.execute(sql, parameters)


@contextmanager
def table_away(context: str, table: str) -> Iterator[None]:
    """Take a table away for a while: whoever needs it fails."""
    execute(context, f"ALTER TABLE {table} RENAME TO {table}_away")
    try:
        yield
    finally:
        execute(context, f"ALTER TABLE {table}_away RENAME TO {table}")


def empty_tables() -> None:
    """Delete every row but Django's own catalog (content types, permissions, migrations)."""
    for alias in connections:
        with connections[alias].cursor() as cursor:
            cursor.execute(_emptying(alias))


@cache
def _emptying(alias: str) -> str:
    kept = {"contenttypes", "sites"}
    connection = connections[alias]
    tables = [
        connection.ops.quote_name(model._meta.db_table)
        for model in apps.get_models(include_auto_created=True)
        if model._meta.app_label not in kept
        and model._meta.db_table != "auth_permission"
        and model._meta.managed
        and router.allow_migrate_model(alias, model)
    ]
    # Append-only tables refuse DELETE by trigger, and TRUNCATE of fifty tables takes ten times as long.
    return (
        "SET session_replication_role = replica; "
        + "".join(f"DELETE FROM {table}; " for table in tables)
        + "SET session_replication_role = DEFAULT"
    )


def context_models() -> list[type[models.Model]]:
    """Return the models of the contexts, and of the carrier that stands in for the world."""
    return [model for label in (*CONTEXTS, "carrier") for model in apps.get_app_config(label).get_models()]


def rows_of(model: type[models.Model]) -> str:
    with connections[router.db_for_write(model)].cursor() as cursor:
        cursor.execute(f"SELECT coalesce(json_agg(t), '[]')::text FROM {model._meta.db_table} AS t")
        return str(cursor.fetchone()[0])


def state() -> dict[str, str]:
    """Return every row of every context, of the users and of the staff's log, as text."""
    from django.contrib.admin.models import LogEntry
    from django.contrib.auth.models import Group

    kept: list[type[models.Model]] = [*context_models(), LogEntry, Group]
    return {model._meta.db_table: rows_of(model) for model in kept} | {
        "users": str(sorted(User.objects.values_list("email", "is_staff", "is_superuser", "is_active", "password")))
    }
