"""How often a sweep runs at once: each run has a place, and a run that finds none leaves word for those that run.

A place is a row with a moment until which it is taken: it needs no session, so it holds behind any pooler, and the place
of a process that died is free again after PLACE_SECONDS. Nobody takes a place for longer, so a moment further ahead (a
clock that was set back, a row written by hand) takes none: it would stop the sweep until then. Correctness never
rests on it: rows are claimed (rows.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.db import InterfaceError, OperationalError

from shop import transactions
from shop.statements import Statement

log = structlog.get_logger(__name__)

# As long as a turn and its last row usually take, and no longer than the shortest lease of a row: what a process that
# dies leaves waits for the row's lease anyway. A run that takes longer shares its sweep with the next.
PLACE_SECONDS = 8.0

BEGIN_RUN = Statement("shop", "begin_run")
END_RUN = Statement("shop", "end_run")
ASK_RUNNING = Statement("shop", "ask_running")


@dataclass(frozen=True)
class _Place:
    sweep: str
    number: int
    until: datetime


def run_in_place(sweep: str, run: Callable[[], int], *, at_once: int) -> int:
    """Run a sweep unless it is running `at_once` times already; return how much it did.

    Where it is, its runs look once more before they end, so that nothing is missed which is due by now. Asked for
    without end, a run gives its place to others after PLACE_SECONDS. Raises: what `run` raises, after leaving the place.
    """
    place = _begin(sweep, at_once)
    ends = time.monotonic() + PLACE_SECONDS
    done = 0
    while place is not None:
        try:
            done += run()
        except Exception:
            _leave(place)
            raise
        place = _end(place, may_go_on=time.monotonic() < ends)
    return done


def _begin(sweep: str, at_once: int) -> _Place | None:
    """Take a place, or leave word with those that run and return None."""
    while True:
        with transactions.single("shop"):
            taken = BEGIN_RUN.one(sweep=sweep, at_once=at_once, seconds=PLACE_SECONDS)
        if taken is not None:
            return _Place(sweep, *taken)
        with transactions.single("shop"):
            if ASK_RUNNING.one(sweep=sweep, seconds=PLACE_SECONDS) is not None:
                return None
        # They ended between the two statements.


def _end(place: _Place, *, may_go_on: bool) -> _Place | None:
    """Leave the place; return it where there is reason for one more run."""
    with transactions.single("shop"):
        left = END_RUN.one(
            sweep=place.sweep, place=place.number, until=place.until, seconds=PLACE_SECONDS, may_go_on=may_go_on
        )
    if left is None or not left[1]:
        return None
    return _Place(place.sweep, place.number, left[0])


def _leave(place: _Place) -> None:
    """Leave the place of a run that failed; where the database is away it is free after a while."""
    try:
        _end(place, may_go_on=False)
    except (OperationalError, InterfaceError) as error:
        log.warning("work.place_not_left", sweep=place.sweep, error=repr(error))
