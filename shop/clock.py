"""The time. Whatever expires is compared inside the database; this is for stamps and for display."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import connections


def now() -> datetime:
    """Return the application's time as an aware UTC datetime."""
    return datetime.now(UTC)


def database_now(*, alias: str = "default") -> datetime:
    """Return the start of the current transaction on `alias`, by the database's own clock."""
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT now()")
        moment: datetime = cursor.fetchone()[0]
    return moment
