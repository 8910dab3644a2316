"""Waiting for a condition instead of sleeping."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

DEADLINE_SECONDS = 120


def until(condition: Callable[[], Any], what: str, *, seconds: float = DEADLINE_SECONDS, process: Any = None) -> Any:
    """Ask until the answer is yes, and return it."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        log = f"; its log ends:\n{process.tail()}" if process else ""
        assert not process or process.is_running(), f"{what}: its process has ended{log}"
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}{log}"
        time.sleep(0.02)
    return answer
