"""What a background thread has to do and when: names with due moments, asked for by others and taken by the thread."""

from __future__ import annotations

import threading
import time


class Moments:
    """Names that are due now or soon. Asking again folds: the earlier moment stands."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}
        self._taken: dict[str, float] = {}
        self._signal = threading.Condition()

    def ask(self, name: str, *, after: float = 0.0, apart: float = 0.0) -> None:
        """Make `name` due in `after` seconds, and not before `apart` seconds have passed since it was last taken."""
        with self._signal:
            due = max(time.monotonic() + after, self._taken.get(name, 0.0) + apart)
            if due >= self._due.get(name, float("inf")):
                return
            first = min(self._due.values(), default=float("inf"))
            self._due[name] = due
            if due < first:
                self._signal.notify()

    def forget(self, name: str) -> None:
        """Make `name` due no more, unless it is asked for again."""
        with self._signal:
            self._due.pop(name, None)

    def take(self, *, timeout: float | None = None) -> list[str]:
        """Wait until something is due and return all that is, the earliest first; nothing after `timeout` seconds."""
        end = None if timeout is None else time.monotonic() + timeout
        with self._signal:
            while True:
                present = time.monotonic()
                if due := sorted((moment, name) for name, moment in self._due.items() if moment <= present):
                    names = [name for _moment, name in due]
                    for name in names:
                        del self._due[name]
                        self._taken[name] = present
                    return names
                if end is not None and present >= end:
                    return []
                moments = [*self._due.values(), *([end] if end is not None else [])]
                self._signal.wait(min(moments) - present if moments else None)
