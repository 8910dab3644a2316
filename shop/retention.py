"""Deleting what is past its retention: in small transactions, so that none blocks others for long, and along the ids.

Ids rise with time. So the old rows stand in front, and no index by age has to be kept up with every order: what was
passed over there (a delivery that waits for a human) costs a look, and the first page of young rows is the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import BooleanField, ExpressionWrapper, Model, Q, QuerySet
from django.db.models.functions import Now

from shop import transactions

BATCH = 1000
SECONDS = 20


@dataclass
class Pruning:
    """How far the pruning of one table has come. `rows` may go once `age`, which rises with the ids, is `kept` ago.

    `note` writes down, once and before the first row goes, what will be missing.
    """

    context: str
    rows: QuerySet[Any]
    age: str
    kept: timedelta
    note: Callable[[], object] | None = None
    after: Any = None
    finished: bool = False


def delete_batch(pruning: Pruning) -> int:
    """Delete what may go of the next `BATCH` rows, in one transaction; return how many went."""
    model: type[Model] = pruning.rows.model
    if pruning.note is not None:
        pruning.note()
        pruning.note = None
    old = Q(**{f"{pruning.age}__lt": Now() - pruning.kept})
    with transactions.transaction(pruning.context):
        page = model._default_manager.using(pruning.rows.db)
        rows = pruning.rows.filter(old)
        if pruning.after is not None:
            page, rows = page.filter(pk__gt=pruning.after), rows.filter(pk__gt=pruning.after)
        last = page.order_by("pk").values_list("pk", ExpressionWrapper(old, BooleanField()))[BATCH - 1 : BATCH].first()
        if last is not None:
            rows = rows.filter(pk__lte=last[0])
        deleted = rows.delete()[0]
    pruning.finished = last is None or not last[1]
    pruning.after = last[0] if last else pruning.after
    return deleted


def delete_for_a_while(pruning: Pruning) -> int:
    """Delete until the young rows begin or `SECONDS` have passed; what a backlog leaves, the next sweep takes."""
    deadline = time.monotonic() + SECONDS
    gone = delete_batch(pruning)
    while not pruning.finished and time.monotonic() < deadline:
        gone += delete_batch(pruning)
    return gone


def delete_expired(context: str, rows: QuerySet[Any], *, moment: str) -> int:
    """Delete `rows` whose indexed `moment` is over, oldest first, for `SECONDS` at most; return how many went."""
    deadline = time.monotonic() + SECONDS
    gone = 0
    while True:
        with transactions.transaction(context):
            expired = rows.filter(**{f"{moment}__lt": Now()})
            last = expired.order_by(moment).values_list(moment, flat=True)[BATCH - 1 : BATCH].first()
            batch = expired if last is None else rows.filter(**{f"{moment}__lte": last})
            gone += batch.delete()[0]
        if last is None or time.monotonic() >= deadline:
            return gone
