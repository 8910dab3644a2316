"""Work behind the requests: every piece is a row that is due, and a sweep that takes the rows whose moment has come.

A sweep runs on a schedule (Celery beat, or `manage.py run_background` in the embedded profile) and is also woken right
after a commit that makes a row due. A wake only makes it sooner: it may be lost, doubled or late, and nothing breaks.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from celery import Task, current_app, shared_task
from django.conf import settings
from django.db import close_old_connections

from shop import transactions
from shop.events import topology

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Sweep:
    """A registered sweep: `run()` takes what is due and returns how many pieces it took."""

    name: str
    context: str
    every_seconds: float
    run: Callable[[], int]
    task: Task[Any, Any]


_sweeps: dict[str, Sweep] = {}


def sweep(*, every_seconds: float) -> Callable[[Callable[[], int]], Callable[[], int]]:
    """Register the decorated function of a context's tasks.py, `<context>.<function>`, as a sweep and Celery task."""

    def register(run: Callable[[], int]) -> Callable[[], int]:
        context = run.__module__.partition(".")[0]
        name = f"{context}.{run.__name__}"

        def task(**_later_arguments: object) -> int:
            return run()

        made = shared_task(name=name, expires=60, ignore_result=True, acks_late=False)(task)
        _sweeps[name] = Sweep(name=name, context=context, every_seconds=every_seconds, run=run, task=made)
        return run

    return register


def sweeps() -> tuple[Sweep, ...]:
    """Return every registered sweep."""
    return tuple(_sweeps.values())


def wake(name: str, *, context: str) -> None:
    """Run the sweep `name` soon after the open transaction of `context` commits; at once where none is open.

    Never blocks and never raises: the caller's work is durable, and the schedule finds it anyway.
    """
    if settings.EVENTS_WAKE_IN_PROCESS:
        transactions.after_commit(context, lambda: _runner().ask(name))


class _Runner(threading.Thread):
    """Runs woken sweeps of this process one after the other, or hands them to the workers where a broker is configured.

    Wakes for a sweep that already waits fold into one.
    """

    def __init__(self) -> None:
        super().__init__(name="background", daemon=True)
        self._asked: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._waiting: set[str] = set()
        self._lock = threading.Lock()

    def ask(self, name: str) -> None:
        with self._lock:
            if name in self._waiting:
                return
            self._waiting.add(name)
        self._asked.put(name)

    def run(self) -> None:
        while True:
            name = self._asked.get()
            with self._lock:
                self._waiting.discard(name)
            try:
                self._run_sweep(name)
            except Exception as error:  # noqa: BLE001  a wake may fail for any reason: the schedule comes by
                log.warning("background.wake_failed", sweep=name, error=repr(error))

    def _run_sweep(self, name: str) -> None:
        if settings.BROKER_URL:
            current_app.send_task(
                name,
                queue=topology.named(f"{_sweeps[name].context}.tasks"),
                retry=False,
                expires=60,
                ignore_result=True,
            )
            return
        close_old_connections()
        _sweeps[name].run()


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
