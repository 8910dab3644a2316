"""Rows that are worked by the process that makes them due: written with a lease, as if claimed, and begun after the commit.

That spares looking for the row, claiming it and the place of a run: three writing transactions for each row. Rows that one
transaction made due are worked as those of one claim are. The lease is that of a claim, so a process that dies leaves the
rows to the sweep, when the lease ends. A process that ends gives back what it has not begun. It takes ERRANDS_MAX rows
(background.py); what is made due beyond that is the sweep's.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
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
class Leased(Generic[Row]):
    """A row, as it was before a claim, that was written with `lease_seconds`."""

    pk: object
    row: Row
    leased_until: datetime


@dataclass(frozen=True)
class _Handover(Generic[Row]):
    """Rows on their way to this process's background thread."""

    work: Work[Row]
    claimed: Sequence[Claimed[Row]]
    since: float = field(default_factory=time.monotonic)

    @property
    def size(self) -> int:
        """How many rows these are."""
        return len(self.claimed)

    def run(self) -> None:
        """Work the rows, each in the trace of whoever made it due; give back those that have waited too long."""
        ends = self.since + BEGIN_WITHIN_SECONDS
        if time.monotonic() <= ends:
            if work_claimed(self.work, self.claimed, ends=ends) < self.size:
                background.ask(self.work.sweep)
        elif not self._give_back():
            background.run_later(self, after_seconds=RETRY_SECONDS)

    def drop(self) -> None:
        """Make the rows due for the sweep; where the database is away the end of their lease does."""
        self._give_back()

    def _give_back(self) -> bool:
        """Make the rows due for the sweep; return False where the database is away."""
        try:
            self.work.rows.give_back(*self.claimed)
        except (OperationalError, InterfaceError) as error:
            log.warning("work.not_given_back", sweep=self.work.sweep, rows=self.size, error=repr(error))
            return False
        background.wake(self.work.sweep, context=self.work.rows.context)
        return True


def lease_seconds(sweep: str, *, rows: int) -> float | None:
    """Return the lease with which to write so many rows that this process works itself; None to leave them to the sweep."""
    if not 0 < rows <= background.errands_left():
        return None
    return work_of(sweep).rows.lease_seconds()


def hand_over(sweep: str, *rows: Leased[Row]) -> None:
    """Work rows, written with `lease_seconds` in the open transaction, one after the other once that is committed."""
    if not rows:
        return
    work: Work[Row] = work_of(sweep)
    lease = timedelta(seconds=work.rows.lease_seconds())
    errand = _Handover(work, [_claimed(each, lease) for each in rows])
    transactions.after_commit(work.rows.context, lambda: background.run_soon(errand))


def _claimed(leased: Leased[Row], lease: timedelta) -> Claimed[Row]:
    """Return a leased row as a claim of it."""
    traceparent = tracing.current_traceparent(order_id=getattr(leased.row, "order_id", None))
    due_at = leased.leased_until - lease
    return Claimed(leased.pk, leased.row, 0, due_at, leased.leased_until, traceparent)
