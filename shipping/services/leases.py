"""Taking turns at what is due: a row is claimed by pushing its `due_at` ahead (committed), then worked in no transaction.

A crash in between costs the lease; whoever lost it may still finish, so all work is safe to do twice.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import structlog
from django.db.models import QuerySet
from django.db.models.functions import Now

from shipping.models import Shipment, SurplusBooking
from shop import transactions
from shop.errors import Fault

log = structlog.get_logger(__name__)

Row = TypeVar("Row", Shipment, SurplusBooking)
Marks = Callable[[Row], dict[str, object]]

BATCH = 50
LEASE_SECONDS = 60


def work_each_due(*, rows: QuerySet[Row], work: Callable[[Row], None], marks: Marks[Row] | None = None) -> int:
    """Claim and work one of these rows at a time, so that each has its whole lease; return how many were tried.

    `marks`: what the claim commits besides the lease, before the carrier is asked.
    """
    transactions.forbid()
    done = 0
    while done < BATCH and (row := claim_oldest(rows=rows, marks=marks)) is not None:
        done += 1
        try:
            work(row)
        except Fault as error:
            log.warning("shipment.carrier_failed", order_id=str(row.order_id), error=error.code)
            _postpone(rows, row, f"{error.code}: {error}")
        except Exception as error:
            # A bug, or an adapter that lets a library's error through: note it, let it rise, keep the row for later.
            _postpone(rows, row, type(error).__name__)
            raise
    return done


def claim_oldest(*, rows: QuerySet[Row], marks: Marks[Row] | None = None) -> Row | None:
    """Take the row that has waited longest, as it stood before the claim; None where none is due."""
    with transactions.transaction("shipping"):
        row = rows.select_for_update(skip_locked=True).filter(due_at__lte=Now()).order_by("due_at").first()
        if row is not None:
            marked = marks(row) if marks else {}
            rows.filter(pk=row.pk).update(due_at=Now() + timedelta(seconds=LEASE_SECONDS), **marked)
    return row


def _postpone(rows: QuerySet[Row], row: Row, error: str) -> None:
    """Try again after a backoff; a row that is none of these any more (canceled meanwhile) keeps the moment it was given."""
    if rows.filter(pk=row.pk).exists():
        rows.model.postpone(row.pk, error=error, attempts=row.attempts + 1)
