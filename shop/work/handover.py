"""Rows that are worked by the process that makes them due: written with a lease, as if claimed, and begun after the commit.

That spares looking for the row, claiming it and the place of a run: three writing transactions for each row. The lease is
that of a claim, so a process that dies leaves the row to the sweep, when the lease ends. A process that ends gives back
what it has not begun. It takes ERRANDS_MAX rows (background.py); what is made due beyond that is the sweep's.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, TypeVar

import structlog
from django.db import InterfaceError, OperationalError

from shop import transactions
from shop.observability import tracing
from shop.work import background
from shop.work.rows import Claimed
from shop.work.turn import RETRY_SECONDS, Work, work_claimed, work_of

log = structlog.get_logger(__name__)

Row = TypeVar("Row")

# The lease begins with the commit and is made for one row: one that had to wait longer than this is the sweep's.
BEGIN_WITHIN_SECONDS = 5.0


@dataclass(frozen=True)
class _Handover(Generic[Row]):
    """A row on its way to this process's background thread."""

    work: Work[Row]
    claimed: Claimed[Row]
    traceparent: str = ""
    since: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        """Work the row in the trace of whoever made it due, unless it has waited too long."""
        if time.monotonic() - self.since <= BEGIN_WITHIN_SECONDS:
            with tracing.in_trace(self.traceparent):
                work_claimed(self.work, self.claimed)
        elif not self._give_back():
            background.run_later(self, after_seconds=RETRY_SECONDS)

    def drop(self) -> None:
        """Make the row due for the sweep; where the database is away the end of its lease does."""
        self._give_back()

    def _give_back(self) -> bool:
        """Make the row due for the sweep; return False where the database is away."""
        try:
            self.work.rows.give_back(self.claimed)
        except (OperationalError, InterfaceError) as error:
            log.warning("work.not_given_back", sweep=self.work.sweep, pk=str(self.claimed.pk), error=repr(error))
            return False
        background.wake(self.work.sweep, context=self.work.rows.context)
        return True


def lease_seconds(sweep: str, *, rows: int) -> float | None:
    """Return the lease with which to write so many rows that this process works itself; None to leave them to the sweep."""
    if not 0 < rows <= background.errands_left():
        return None
    return work_of(sweep).rows.lease_seconds()


def hand_over(sweep: str, *, pk: object, row: object, leased_until: datetime) -> None:
    """Work a row, written with `lease_seconds` in the open transaction, once that is committed. `row` is as before a claim."""
    work = work_of(sweep)
    due_at = leased_until - timedelta(seconds=work.rows.lease_seconds())
    claimed = Claimed(pk, row, attempts=0, due_at=due_at, leased_until=leased_until)
    errand = _Handover(work, claimed, tracing.current_traceparent(order_id=getattr(row, "order_id", None)))
    transactions.after_commit(work.rows.context, lambda: background.run_soon(errand))
