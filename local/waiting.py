"""Waiting for something that no call reports."""

import time
from collections.abc import Callable
from typing import Final

# A slow machine decides nothing: what is waited for may take so long, while the processes that bring it about live.
PATIENCE_SECONDS: Final = 300.0


def wait_until(condition: Callable[[], bool], *, seconds: float, every_seconds: float = 0.01) -> bool:
    """Ask until the answer is yes; give False if it isn't in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every_seconds)
    return True
