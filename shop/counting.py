"""Counting that costs the same in a shop of any size: up to a bound, and no further."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

MOST = 1000


def count_up_to(rows: QuerySet[Any], most: int = MOST) -> int:
    """Return how many rows there are, `most` where there are more."""
    return rows.order_by()[:most].count()


def shown_count(rows: QuerySet[Any], most: int = MOST) -> str:
    """Return how many rows there are, for people: "17", or "1,000+"."""
    count = count_up_to(rows, most + 1)
    return f"{most:,}+" if count > most else str(count)
