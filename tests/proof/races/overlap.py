"""Two calls at once, as the test orders it: the first is held at one of its points, the second runs in between.

Each has a thread and database connections of its own. The second runs until it ends or waits for a lock that the first
holds, as PostgreSQL tells; then the first goes on, and both come to their end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, field
from typing import Any

from django.db import connections

from tests.driver.provider import close_provider_connection
from tests.proof.crashes.points import Points

PATIENCE_SECONDS = 60.0
LOOK_EVERY_SECONDS = 0.005


@dataclass(frozen=True)
class Call:
    """What one of the two does. `ready` comes first, unwatched: the world turns to where the call makes sense."""

    act: Callable[[Any], Any]
    ready: Callable[[], Any] = lambda: None


@dataclass
class Met:
    """What came of an overlap: the points of the first in their order, and what each gave or raised."""

    points: list[str] = field(default_factory=list)
    first: Any = None
    second: Any = None
    waited: bool = False


class Pair:
    """The two threads; they and their connections are kept from one overlap to the next."""

    def __init__(self) -> None:
        self._first, self._second = (ThreadPoolExecutor(1, name) for name in ("first", "second"))
        self._pids = [_in(thread, _connect) for thread in (self._first, self._second)]

    def close(self) -> None:
        for thread in (self._first, self._second):
            _in(thread, _disconnect)
            thread.shutdown()

    def alone(self, call: Call) -> Met:
        """Run one call undisturbed, to see its points."""
        met = Met()
        met.first = self._first.submit(_watched, call, met.points.append).result(PATIENCE_SECONDS)
        return met

    def overlap(self, first: Call, second: Call, *, at: int) -> Met:
        """Hold `first` as it comes to its point of that number, from 0, and run `second` meanwhile."""
        met, held, released = Met(), threading.Event(), threading.Event()

        def meet(point: str) -> None:
            met.points.append(point)
            if len(met.points) == at + 1:
                held.set()
                assert released.wait(PATIENCE_SECONDS), f"held at {point} for too long"

        try:
            running = self._first.submit(_watched, first, meet)
            running.add_done_callback(lambda _done: held.set())
            assert held.wait(PATIENCE_SECONDS), f"the first did not come to its point {at}"
            assert not running.done(), f"the first ended before its point {at}: {met.points}, {running.result()!r}"
            other = self._second.submit(_unwatched, second)
            met.waited = self._until_it_waits(other)
        finally:
            released.set()
        met.first, met.second = running.result(PATIENCE_SECONDS), other.result(PATIENCE_SECONDS)
        return met

    def _until_it_waits(self, other: Future[Any]) -> bool:
        """Return once the second has ended (False), or waits for a lock that the first holds (True)."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not wait_for([other], LOOK_EVERY_SECONDS).done:
            if any(self._is_blocked(alias) for alias in connections):
                return True
            assert time.monotonic() < deadline, "the second neither ends nor waits for a lock"
        return False

    def _is_blocked(self, alias: str) -> bool:
        first, second = (pids[alias] for pids in self._pids)
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT %s = ANY(pg_blocking_pids(%s))", [first, second])
            return bool(cursor.fetchone()[0])


def _in(thread: ThreadPoolExecutor, do: Callable[[], Any]) -> Any:
    return thread.submit(do).result(PATIENCE_SECONDS)


def _connect() -> dict[str, int]:
    """Connect everything; return the process that serves each alias."""
    pids = {}
    for alias in connections:
        connections[alias].ensure_connection()
        pids[alias] = connections[alias].connection.info.backend_pid
    return pids


def _disconnect() -> None:
    connections.close_all()
    close_provider_connection()


def _watched(call: Call, meet: Callable[[str], None]) -> Any:
    before = _connect()
    world = call.ready()
    points = Points(meet)
    points.install()
    try:
        return call.act(world)
    except Exception as error:  # noqa: BLE001  an outcome like any other
        return error
    finally:
        points.uninstall()
        assert _connect() == before, "a database connection was replaced"


def _unwatched(call: Call) -> Any:
    try:
        return call.act(call.ready())
    except Exception as error:  # noqa: BLE001  an outcome like any other
        return error
