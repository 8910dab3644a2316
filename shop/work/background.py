"""This process's background thread: it runs errands and the sweeps that are woken, right after the commit that made work due.

A wake only makes a sweep come sooner: it may be lost, doubled or late, and nothing breaks.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from typing import Protocol

import structlog
from celery import current_app
from django.conf import settings
from django.db import close_old_connections, connections

from shop import topology, transactions
from shop.work.moments import Moments
from shop.work.sweeps import sweep_named

log = structlog.get_logger(__name__)

# A runner without work gives its database sessions back.
IDLE_SECONDS = 10.0
FINISH_SECONDS = 10.0
# How many rows may wait for this process before what it writes is left to the sweeps.
ERRANDS_MAX = 20
_END = ""
_ERRANDS = "errands"


def wake(name: str, *, context: str) -> None:
    """Run the sweep `name` soon after the open transaction of `context` commits; at once where none is open.

    Never blocks and never raises: the caller's work is durable, and the schedule finds it anyway.
    """
    if settings.EVENTS_WAKE_IN_PROCESS:
        transactions.after_commit(context, lambda: ask(name))


def ask(name: str) -> None:
    """Have the sweep `name` run soon, by the workers or in this process. Never blocks and never raises."""
    _runner().ask(name)


class Errand(Protocol):
    """Work that this process has claimed for itself."""

    @property
    def size(self) -> int:
        """How many rows of work it is."""
        ...

    @property
    def is_late(self) -> bool:
        """Whether it has waited here for too long."""
        ...

    def run(self) -> None:
        """Work the piece."""
        ...

    def drop(self) -> None:
        """Leave it to the sweeps: by any thread, also while it waits here or runs."""
        ...


def errands_left() -> int:
    """Return how many more rows of work this process takes: none where another process runs the sweeps that it wakes."""
    here = settings.EVENTS_WAKE_IN_PROCESS and (not settings.BROKER_URL or _sweeps_here())
    return _runner().room() if here else 0


def run_soon(errand: Errand) -> None:
    """Have this process run the errand, after those that wait. It drops what it has not begun when it ends."""
    _runner().take(errand)


def run_later(errand: Errand, *, after_seconds: float) -> None:
    """Have this process run the errand in so many seconds, if it runs any: else it is left to the sweeps."""
    if settings.EVENTS_WAKE_IN_PROCESS:
        _runner().take_later(errand, after=after_seconds)
    else:
        errand.drop()


def drop_errands(*, late: bool) -> None:
    """Leave what waits in this process to the sweeps: what is late, or all. What is under way stays."""
    if _made is not None and _made[0] == os.getpid():
        _made[1].drop(late=late)


class _Runner(threading.Thread):
    """Runs errands and woken sweeps one after the other.

    It runs sweeps itself in a worker's process and where no broker is configured; else it sends a message for each.
    Wakes for a sweep that already waits fold into one, and two runs of one sweep are EVENTS_NUDGE_GATHER_SECONDS apart.
    A worker needs no message to tell itself what it just did, and its deliveries do not wait for this thread.
    """

    def __init__(self) -> None:
        super().__init__(name="background", daemon=True)
        self._moments = Moments()
        self._errands: deque[Errand] = deque()
        self._later: deque[tuple[float, Errand]] = deque()
        self._sweeps_now = False

    def room(self) -> int:
        """Return how many more rows may wait: none behind a sweep, whose turn takes seconds where there is a backlog."""
        return 0 if self._sweeps_now else max(0, ERRANDS_MAX - sum(errand.size for errand in list(self._errands)))

    def take(self, errand: Errand) -> None:
        """Have the errand run soon."""
        self._errands.append(errand)
        self._moments.ask(_ERRANDS)

    def drop(self, *, late: bool) -> None:
        """Drop the errands that wait, only those that are late or all: nothing is left of them once their turn comes."""
        for errand in list(self._errands):
            if errand.is_late or not late:
                errand.drop()

    def take_later(self, errand: Errand, *, after: float) -> None:
        """Have the errand run in so many seconds."""
        self._later.append((time.monotonic() + after, errand))
        self._moments.ask(_ERRANDS, after=after)

    def ask(self, name: str) -> None:
        """Have the sweep `name` run soon."""
        self._moments.ask(name, apart=settings.EVENTS_NUDGE_GATHER_SECONDS)

    def finish(self, *, timeout: float) -> None:
        """End the thread after what it is doing; wait for that up to `timeout` seconds."""
        self._moments.ask(_END)
        self.join(timeout)

    def run(self) -> None:
        """Run what is asked for, until `finish`."""
        while True:
            names = self._moments.take(timeout=IDLE_SECONDS)
            if _END in names:
                self._drop_errands()
            if not names or _END in names:
                connections.close_all()
            if _END in names:
                return
            for name in names:
                try:
                    self._run_errands()
                    if name != _ERRANDS:
                        self._run_sweep(name)
                except Exception as error:  # noqa: BLE001  a wake may fail for any reason: the schedule comes by
                    log.warning("background.wake_failed", sweep=name, error=repr(error))

    def _run_errands(self) -> None:
        """Run those that wait now; the others have to wait for the sweeps that are asked for."""
        self._take_what_is_due()
        if not self._errands:
            return
        close_old_connections()
        try:
            for _each in range(len(self._errands)):
                self._errands.popleft().run()
        finally:
            if self._errands:
                self._moments.ask(_ERRANDS)
            close_old_connections()

    def _take_what_is_due(self) -> None:
        present = time.monotonic()
        for _each in range(len(self._later)):
            due, errand = self._later.popleft()
            if due <= present:
                self._errands.append(errand)
            else:
                self._later.append((due, errand))
                self._moments.ask(_ERRANDS, after=due - present)

    def _drop_errands(self) -> None:
        self._errands.extend(errand for _due, errand in self._later)
        self._later.clear()
        while self._errands:
            self._errands.popleft().drop()

    def _run_sweep(self, name: str) -> None:
        if settings.BROKER_URL and not _sweeps_here():
            current_app.send_task(
                name,
                queue=topology.named(f"{sweep_named(name).context}.tasks"),
                retry=False,
                expires=60,
                ignore_result=True,
            )
            return
        close_old_connections()
        self._sweeps_now = True
        try:
            sweep_named(name).run_in_place()
        finally:
            self._sweeps_now = False
            close_old_connections()


_worker_pid = 0


def sweep_here() -> None:
    """Have this process, a worker's, run the sweeps that it wakes itself (EVENTS_SWEEP_WHERE_WOKEN)."""
    global _worker_pid  # noqa: PLW0603  a process is one or is none
    _worker_pid = os.getpid()


def finish() -> None:
    """Let a woken sweep that is running end, before this process does."""
    if _made is not None and _made[0] == os.getpid():
        _made[1].finish(timeout=FINISH_SECONDS)


def _sweeps_here() -> bool:
    return settings.EVENTS_SWEEP_WHERE_WOKEN and _worker_pid == os.getpid()


_made: tuple[int, _Runner] | None = None
_made_lock = threading.Lock()


def _runner() -> _Runner:
    global _made  # noqa: PLW0603  one runner per process
    with _made_lock:
        if _made is None or _made[0] != os.getpid() or not _made[1].is_alive():
            runner = _Runner()
            runner.start()
            _made = (os.getpid(), runner)
        return _made[1]
