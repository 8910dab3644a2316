"""A turn at what is due: the one policy for everything that can happen to a row that is worked, in one loop.

| what happens | what becomes of the row | and of the turn |
| --- | --- | --- |
| it is done | whatever the work wrote | goes on |
| Refusal | `refused`, else postponed | goes on |
| Fault | `postpone`, with a backoff | goes on, or ends where the dependency is the same for all (`ends_at_fault`) |
| our database fails or does not wait | due again RETRY_SECONDS after the database answers, at the latest when its lease ends | goes on, each row reading for itself; the next claim fails if the database is away |
| a bug | `postpone`, logged with its traceback | goes on |
| Celery's soft time limit | its lease brings it back | ends, and the limit rises: it is never taken for an error of the row |
| the turn's time is over | - | rows that were claimed and not begun are given back; the sweep asks for another turn |
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError
from prometheus_client import Counter

from shop import transactions
from shop.actors import acting
from shop.database.sessions import drop_broken_sessions
from shop.errors import Fault, Refusal, ShopError
from shop.observability import tracing
from shop.work import background
from shop.work.background import wake
from shop.work.rows import Claimed, DueRows

log = structlog.get_logger(__name__)

Row = TypeVar("Row")

# Far below CELERY_TASK_SOFT_TIME_LIMIT: a last row that is slow still ends in time. Short, so that sweeps take turns:
# where parcels and mails both wait, neither waits for more than a turn of the other.
TURN_SECONDS = 1.0
RETRY_SECONDS = 2.0

OUT_OF_TIME = Counter("shop_turns_out_of_time", "Turns that ended with their time, and asked for another", ["sweep"])


@dataclass(frozen=True, kw_only=True)
class Work(Generic[Row]):
    """One kind of work: which rows are due, what is done with one of them, and what to do when that fails.

    `do` runs in no transaction, is safe to do twice, and returns False where the row still waits. `sweep` asks for another turn when there is more.
    `together` reads for several rows at once what `do` reads for each, and returns what does these; a round trip for each row
    is what a backlog waits for on a busy machine. What it cannot tell of a row it leaves to `do`.
    `at_a_time` rows are claimed together: all of them have to be done within one lease. A claim of fewer ends the turn,
    so that a single row costs no second claim, unless `claims_until_empty`: for work that may make another row due.
    """

    sweep: str
    rows: DueRows[Row]
    do: Callable[[Row], object]
    together: Callable[[Sequence[Row]], Callable[[Row], object]] | None = None
    at_a_time: int = 1
    claims_until_empty: bool = False
    faults: tuple[type[Exception], ...] = (Fault,)
    ends_at_fault: bool = False
    postpone: Callable[[Claimed[Row], Exception], None] | None = None
    refused: Callable[[Claimed[Row], Refusal], None] | None = None

    def __post_init__(self) -> None:
        """Make it known by the name of its sweep (handover.py)."""
        _known[self.sweep] = self
        # Create the series at start-up: an increase from nothing is not seen.
        OUT_OF_TIME.labels(self.sweep)


_known: dict[str, Work[Any]] = {}


def work_of(sweep: str) -> Work[Any]:
    """Return the work of a sweep. Raises: KeyError where its module is not imported, or it has none."""
    return _known[sweep]


def work_claimed(work: Work[Row], portion: Portion[Row]) -> None:
    """Work rows that are claimed already, by the policy above; what is not begun in time is given back. Raises: SoftTimeLimitExceeded."""
    transactions.forbid()
    with acting(f"sweep {work.sweep}"):
        _work_each(work, portion)


def take_turn(work: Work[Row], *, limit: int | None = None, seconds: float | None = None, **values: object) -> int:
    """Work what is due until nothing is left, `limit` rows were taken or the turn's time is over.

    Returns how many rows were taken that do not still wait as before. `values` are parameters of the rows' claim.
    Raises: SoftTimeLimitExceeded, and what our database raises to a claim.
    """
    transactions.forbid()
    ends = time.monotonic() + (TURN_SECONDS if seconds is None else seconds)
    at_a_time = work.at_a_time
    taken = waiting = 0
    while limit is None or taken < limit:
        if time.monotonic() >= ends:
            _ask_for_another(work.sweep, context=work.rows.context)
            break
        size = at_a_time if limit is None else min(at_a_time, limit - taken)
        claimed = work.rows.claim(limit=size, **values)
        if innocent := _innocent(work, claimed):
            give_back(work.rows, claimed[innocent:])
            claimed, at_a_time, size = claimed[:innocent], 1, innocent
        portion = Portion(work.rows, claimed, ends=ends)
        still_wait, goes_on = _work_each(work, portion)
        taken, waiting = taken + portion.begun, waiting + still_wait
        was_short = portion.begun == len(claimed) < size
        if not goes_on or (was_short and not (claimed and work.claims_until_empty)):
            break
    return taken - waiting


def _innocent(work: Work[Row], claimed: Sequence[Claimed[Row]]) -> int:
    """Return how many of the first rows are to be worked without the others; 0 for all.

    Where a claim counts an attempt, a row that was tried before is worked alone: one that kills its worker then uses up
    the attempts of no other.
    """
    if len(claimed) < 2 or not work.rows.counts_attempts:  # noqa: PLR2004  one is alone
        return 0
    return next((max(index, 1) for index, one in enumerate(claimed) if one.attempts), 0)


def _ask_for_another(sweep: str, *, context: str) -> None:
    OUT_OF_TIME.labels(sweep).inc()
    wake(sweep, context=context)


class Portion(Generic[Row]):
    """Rows that are claimed together and worked one after the other: none begins after `ends` (monotonic seconds) but the first.

    Any thread may end it: whoever works them may be held up by the first for longer than the others should wait.
    """

    def __init__(self, rows: DueRows[Row], claimed: Sequence[Claimed[Row]], *, ends: float) -> None:
        self.claimed, self.ends, self.begun = claimed, ends, 0
        self._rows = rows
        self._lock = threading.Lock()
        self._is_over = self._is_left = False

    def begin_next(self) -> Claimed[Row] | None:
        """Return the row that is to be worked now; None where none is to begin any more."""
        with self._lock:
            out_of_time = self.begun > 0 and time.monotonic() >= self.ends
            if self._is_over or out_of_time or self.begun == len(self.claimed):
                return None
            self.begun += 1
            return self.claimed[self.begun - 1]

    def leave(self) -> bool:
        """Let none begin any more, and give back what has not; return False where the database is away.

        Then it may be given back all the same, and be with another process.
        """
        with self._lock:
            self._is_over = True
        self._is_left = self._is_left or give_back(self._rows, self.claimed[self.begun :])
        return self._is_left


# What is being worked in this process, by whichever thread.
_under_way: set[Portion[Any]] = set()


def leave_late_rows(*, all_of_them: bool = False) -> None:
    """Give back what waits in this process behind a row that takes too long; `all_of_them`: the process ends."""
    for portion in list(_under_way):
        if all_of_them or time.monotonic() >= portion.ends:
            portion.leave()


def _work_each(work: Work[Row], portion: Portion[Row]) -> tuple[int, bool]:
    """Work claimed rows one after the other; return how many still wait, and whether the turn goes on."""
    waiting = 0
    _under_way.add(portion)
    try:
        do = _doing(work, portion.claimed)
        while (one := portion.begin_next()) is not None:
            after = _work(work, one, do)
            waiting += after.still_waits
            if after.ends_turn:
                return waiting, False
            if after.database_failed:
                do = work.do
        return waiting, True
    finally:
        _under_way.discard(portion)
        portion.leave()


def _doing(work: Work[Row], claimed: Sequence[Claimed[Row]]) -> Callable[[Row], object]:
    """Return what does these rows: each reads for itself where one is alone, or where reading for all of them fails.

    What fails for all may be one row's fault: read for itself, that row alone is settled as failed.
    """
    if work.together is None or len(claimed) < 2:  # noqa: PLR2004  one is alone
        return work.do
    try:
        return work.together([one.row for one in claimed])
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:  # noqa: BLE001  whose fault it is comes out as each row reads for itself
        log.warning("work.read_apart", sweep=work.sweep, rows=len(claimed), error=repr(error))
        return work.do


@dataclass(frozen=True, kw_only=True)
class _After:
    """What follows of a row's work."""

    still_waits: bool = False
    ends_turn: bool = False
    # Its session may be gone. What was read before says nothing of whether an outcome can be recorded now.
    database_failed: bool = False


def _work(work: Work[Row], one: Claimed[Row], do: Callable[[Row], object]) -> _After:
    """Work one row, in the trace of what made it due, and settle what becomes of it; return as `_settle` does."""
    with tracing.in_trace("" if tracing.current_trace_id() else one.traceparent):
        return _settle(work, one, do)


def _settle(work: Work[Row], one: Claimed[Row], do: Callable[[Row], object]) -> _After:
    """Work one row and settle what becomes of it."""
    names = {"sweep": work.sweep, "pk": str(one.pk), "attempts": one.attempts + 1}
    try:
        return _After(still_waits=do(one.row) is False)
    except SoftTimeLimitExceeded:
        log.warning("work.out_of_time", **names)
        raise
    except Refusal as refusal:
        log.warning("work.refused", **names, code=refusal.code)
        if work.refused is not None:
            work.refused(one, refusal)
        else:
            work.rows.postpone(one, error=f"{refusal.code}: {refusal}")
    except (OperationalError, InterfaceError) as error:
        log.warning("work.database_unavailable", **names, error=repr(error))
        drop_broken_sessions()
        _Retrial(work, one).run()
        return _After(database_failed=True)
    except work.faults as fault:
        log.warning("work.postponed", **names, error=told(fault))
        _postpone(work, one, fault)
        return _After(ends_turn=work.ends_at_fault)
    except Exception as bug:
        log.exception("work.bug", **names)
        _postpone(work, one, bug)
    return _After()


@dataclass(frozen=True)
class _Retrial(Generic[Row]):
    """A row whose work our database has failed: due again soon after the database answers, in any process.

    The database's failure is not the row's, so it counts no attempt. Where the claim has counted one, that stays: the work may have
    been done outside, and must not be done without an end.
    """

    work: Work[Row]
    claimed: Claimed[Row]
    size, is_late = 1, False

    def run(self) -> None:
        """Make it due, or try that again later: until then its lease keeps it."""
        try:
            self.work.rows.retry(self.claimed, after_seconds=RETRY_SECONDS)
        except (OperationalError, InterfaceError):
            background.run_later(self, after_seconds=RETRY_SECONDS)

    def drop(self) -> None:
        """Leave it to the end of its lease: the process ends, and the database did not answer lately."""


def _postpone(work: Work[Row], one: Claimed[Row], error: Exception) -> None:
    if work.postpone is not None:
        work.postpone(one, error)
    else:
        work.rows.postpone(one, error=told(error))


def told(error: Exception) -> str:
    """Return what a row keeps of an error: a fault's own words, the traceback of a bug."""
    if isinstance(error, ShopError):
        return f"{error.code}: {error}"
    return "".join(traceback.format_exception(error))


def give_back(rows: DueRows[Row], claimed: Sequence[Claimed[Row]]) -> bool:
    """Give rows back that were not begun; return False where the database is away, and their leases do."""
    if not claimed:
        return True
    try:
        rows.give_back(*claimed)
    except (OperationalError, InterfaceError) as error:
        log.warning("work.not_given_back", table=rows.model._meta.db_table, rows=len(claimed), error=repr(error))
        return False
    return True


def take_turn_in_sets(
    *, sweep: str, context: str, step: Callable[[], int], seconds: float | None = None, limit: int | None = None
) -> int:
    """Take a turn at work that is done in sets: call `step` until it does nothing or the turn's time is over.

    `step` does one set in one transaction and returns how many rows that were. Returns the sum.
    """
    ends = time.monotonic() + (TURN_SECONDS if seconds is None else seconds)
    done = 0
    while limit is None or done < limit:
        if time.monotonic() >= ends:
            _ask_for_another(sweep, context=context)
            break
        if not (rows := step()):
            break
        done += rows
    return done
