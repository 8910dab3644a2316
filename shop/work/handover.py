"""Rows that are worked by the process that makes them due: written with a lease, as if claimed, and begun after the commit.

That spares looking for the row, claiming it and the place of a run: three writing transactions for each row. Rows that one
transaction made due are worked as those of one claim are. The lease is that of a claim, so a process that dies leaves the
rows to the sweep, when the lease ends. A process that ends gives back what it has not begun. It takes ERRANDS_MAX rows
(background.py); what is made due beyond that is the sweep's.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from shop import transactions
from shop.observability import tracing
from shop.work import background
from shop.work.rows import Claimed
from shop.work.turn import RETRY_SECONDS, Portion, Work, leave_late_rows, work_claimed, work_of

Row = TypeVar("Row")

# The lease begins with the commit and is made for one row: one that had to wait longer than this is the sweep's.
BEGIN_WITHIN_SECONDS = 5.0


@dataclass(frozen=True)
class Leased(Generic[Row]):
    """A row, as it was before a claim, that was written with `lease_seconds`."""

    pk: object
    row: Row
    leased_until: datetime


class _Handover(Generic[Row]):
    """Rows on their way to this process's background thread."""

    def __init__(self, work: Work[Row], claimed: Sequence[Claimed[Row]]) -> None:
        self._work = work
        self._portion = Portion(work.rows, claimed, ends=time.monotonic() + BEGIN_WITHIN_SECONDS)
        self.size = len(claimed)

    @property
    def is_late(self) -> bool:
        """Whether the rows have waited too long."""
        return time.monotonic() > self._portion.ends

    def run(self) -> None:
        """Work the rows, each in the trace of whoever made it due; give back those that have waited too long."""
        if not self.is_late:
            work_claimed(self._work, self._portion)
            if self._portion.begun < self.size:
                background.ask(self._work.sweep)
        elif not self._leave():
            background.run_later(self, after_seconds=RETRY_SECONDS)

    def drop(self) -> None:
        """Make the rows due for the sweep; where the database is away the end of their lease does."""
        self._leave()

    def _leave(self) -> bool:
        """Make the rows due for the sweep; return False where the database is away."""
        if not self._portion.leave():
            return False
        background.wake(self._work.sweep, context=self._work.rows.context)
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
    claimed = [_claimed(each, lease) for each in rows]
    transactions.after_commit(work.rows.context, lambda: background.run_soon(_Handover(work, claimed)))


def give_back(*, all_of_them: bool = False) -> None:
    """Give back what this process has not begun in time, whatever its background thread is held up by; `all_of_them`: it ends."""
    background.drop_errands(late=not all_of_them)
    leave_late_rows(all_of_them=all_of_them)


def _claimed(leased: Leased[Row], lease: timedelta) -> Claimed[Row]:
    """Return a leased row as a claim of it."""
    traceparent = tracing.current_traceparent(order_id=getattr(leased.row, "order_id", None))
    due_at = leased.leased_until - lease
    return Claimed(leased.pk, leased.row, 0, due_at, leased.leased_until, traceparent)
