"""What the scheduler works with: an action that runs, a thread to run another one in, a message that waits."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.db import connections

from tests.proof.simulator.plans import Plan

PATIENCE_SECONDS = 300.0


class Killed(BaseException):
    """The process is dead: nothing of it runs any more."""


@dataclass
class Message:
    """A delivery that waits in a subscriber's queue."""

    number: int
    subscriber: str
    attributes: dict[str, Any]
    sent_at: float
    handled: int = 0


@dataclass
class Frame:
    """An action that runs: what is planned to go wrong, and how many points it has met."""

    plan: Plan
    depth: int
    points: Counter[str] = field(default_factory=Counter)
    killed: str = ""


class Helper:
    """A thread that waits for work: a worker of its own, with its own connections."""

    def __init__(self, name: str) -> None:
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def do(self, work: Callable[[], None]) -> None:
        """Run this in the thread; return once it is done. Raises: what it raises."""
        self._work.put(work)
        error = self._done.get(timeout=PATIENCE_SECONDS)
        if error is not None:
            raise error

    def stop(self) -> None:
        """End the thread."""
        self._work.put(None)
        self._thread.join(PATIENCE_SECONDS)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001  raised again where it was asked for
                self._done.put(error)
            else:
                self._done.put(None)
        connections.close_all()
