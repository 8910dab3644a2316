"""Deleting what is past its retention: in small transactions, so that nobody waits for a long one."""

from __future__ import annotations

import time
from typing import Any

from django.db.models import Model, QuerySet

from shop import transactions

BATCH = 5000
SECONDS = 20


def delete_batch(context: str, rows: QuerySet[Any]) -> int:
    """Delete the oldest `BATCH` of `rows` in one transaction; fewer mean that none is left."""
    model: type[Model] = rows.model
    with transactions.transaction(context):
        batch = rows.order_by("pk").values("pk")[:BATCH]
        return model._default_manager.using(rows.db).filter(pk__in=batch).delete()[0]


def delete_for_a_while(context: str, rows: QuerySet[Any]) -> int:
    """Delete `rows` until none is left or `SECONDS` have passed; what a backlog leaves, the next sweep takes."""
    deadline = time.monotonic() + SECONDS
    gone = deleted = delete_batch(context, rows)
    while deleted >= BATCH and time.monotonic() < deadline:
        deleted = delete_batch(context, rows)
        gone += deleted
    return gone
