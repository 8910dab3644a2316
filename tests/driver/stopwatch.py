"""Measuring how long something takes, without the seconds in which the machine stood still."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

TICK_SECONDS = 0.01
# A tick that comes later than this was kept by the machine: it counts as so much.
LONGEST_TICK_SECONDS = 0.1


class Stopwatch:
    """Counts the seconds within its block in which this process ran: `seconds`, from a thread that ticks."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _tick(self) -> None:
        last, goes_on = time.monotonic(), True
        while goes_on:
            goes_on = not self._ended.wait(TICK_SECONDS)
            present = time.monotonic()
            self.seconds += min(present - last, LONGEST_TICK_SECONDS)
            last = present
