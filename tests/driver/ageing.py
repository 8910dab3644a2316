"""A shop that grows older: what has happened in its databases happened earlier."""

from __future__ import annotations

from collections import defaultdict

from django.db import connections

from tests.driver.tables import execute

# What lies ahead of a row is not moved.
AHEAD = ["due_at", "pay_before", "expires_at", "until", "claimed_until", "expire_date"]
COLUMNS_OF_MOMENTS = (
    "SELECT table_schema || '.' || table_name, column_name FROM information_schema.columns"
    " JOIN information_schema.tables USING (table_schema, table_name) WHERE table_type = 'BASE TABLE'"
    " AND data_type = 'timestamp with time zone' AND column_name <> ALL(%s) AND table_schema NOT LIKE 'pg%%'"
    " AND table_schema <> 'information_schema' AND table_name NOT LIKE 'django%%'"
)


def grow_two_hours_older() -> None:
    """Move every moment of every database back, past the triggers."""
    for alias in connections:
        with connections[alias].cursor() as cursor:
            cursor.execute(COLUMNS_OF_MOMENTS, [AHEAD])
            columns: defaultdict[str, list[str]] = defaultdict(list)
            for table, column in cursor.fetchall():
                columns[table].append(f"{column} = {column} - interval '2 hours'")
            for table, values in columns.items():
                cursor.execute(
                    f"SET session_replication_role = replica; UPDATE {table} SET {', '.join(values)};"
                    " SET session_replication_role = DEFAULT"
                )


def let_all_be_heard() -> None:
    """Let the time pass in which a fact of orders or payments may still be on its way."""
    for context in ("orders", "payments"):
        execute(
            context,
            f"UPDATE {context}_outbox SET occurred_at = occurred_at - interval '10 minutes',"
            " published_at = least(published_at, now() - interval '6 minutes')",
        )
