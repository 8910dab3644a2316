"""Calls of an adapter that may hang, each within a time limit, whatever the adapter does.

The call runs on a thread of its own, which an adapter that hangs keeps. So few of them run at once, and the others
are refused right away.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TypeVar

import structlog

from shop import transactions
from shop.errors import Fault, ShopError
from shop.resilience.breaker import Breaker

T = TypeVar("T")

log = structlog.get_logger(__name__)

AT_ONCE = 16


class TimeLimited:
    """The calls of one dependency, behind a breaker. Whatever goes wrong in one is a Fault of `unavailable`."""

    def __init__(self, name: str, *, unavailable: type[Fault], at_once: int = AT_ONCE) -> None:
        self.name = name
        self.breaker = Breaker(name)
        self._unavailable = unavailable
        self._room = threading.BoundedSemaphore(at_once)

    def call(self, call: Callable[[], T], *, within: float) -> T:
        """Return what the call returns. Raises: BreakerOpen; `unavailable`; a Refusal or Fault of the call's own."""
        transactions.go_outside()
        return self.breaker.call(self._call, call, within)

    def _call(self, call: Callable[[], T], within: float) -> T:
        if not self._room.acquire(blocking=False):
            raise self._unavailable(f"{self.name}: too many calls wait for an answer")
        outcomes: SimpleQueue[tuple[T | None, Exception | None]] = SimpleQueue()
        context = contextvars.copy_context()

        def run() -> None:
            try:
                outcomes.put((context.run(call), None))
            except Exception as error:  # noqa: BLE001  whoever waits raises it
                outcomes.put((None, error))
            finally:
                self._room.release()

        threading.Thread(target=run, name=self.name, daemon=True).start()
        try:
            answer, error = outcomes.get(timeout=within)
        except Empty:
            raise self._unavailable(f"{self.name}: no answer within {within} s") from None
        if isinstance(error, ShopError):
            raise error
        if error is not None:
            log.error("adapter.failed", adapter=self.name, exc_info=error)
            raise self._unavailable(f"{self.name}: {type(error).__name__}") from error
        return answer  # type: ignore[return-value]  # None only where the call returns it
