"""What a process reads from the database once and remembers for a few seconds: small tables that staff rarely change."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from django.conf import settings

T = TypeVar("T")


class Remembered(Generic[T]):
    """The last answer of a read, at most PRICING_RULES_SECONDS old; each process has its own.

    Whoever finds it too old reads again; the others go on with the old one meanwhile, and wait only where there is none.
    """

    def __init__(self, read: Callable[[], T], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._reading = threading.Lock()
        # The answer with the moment it was asked for; one tuple, so that nobody sees half of a change.
        self._kept: tuple[T, float] | None = None

    def get(self) -> T:
        """Return the answer, read again where it is too old. Raises: what the read raises."""
        kept = self._kept
        if kept is not None and self._is_fresh(kept):
            return kept[0]
        if not self._reading.acquire(blocking=kept is None):
            assert kept is not None  # noqa: S101  only then the lock is not waited for
            return kept[0]
        try:
            kept = self._kept
            if kept is not None and self._is_fresh(kept):
                return kept[0]
            asked_at = self._clock()
            answer = self._read()
            self._kept = (answer, asked_at)
            return answer
        finally:
            self._reading.release()

    def put(self, answer: T) -> None:
        """Remember an answer that is known without a read."""
        self._kept = (answer, self._clock())

    def forget(self, **_signal: object) -> None:
        """Have the next one who asks read again; can be connected to a signal of Django's."""
        self._kept = None

    def _is_fresh(self, kept: tuple[T, float]) -> bool:
        return self._clock() - kept[1] < settings.PRICING_RULES_SECONDS
