"""Faults asked for: which requests they hit, how often, and how the answer goes wrong."""

from __future__ import annotations

import fnmatch
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

KINDS = {
    "late": "the effect happens at once, the answer comes after the delay",
    "late_effect": "the effect happens, and the answer comes, after the delay",
    "late_effect_dropped": "the connection closes at once, the effect happens after the delay",
    "never": "no effect; the connection is held until the client gives up or the delay is over",
    "lost_answer": "the effect happens, the connection closes without an answer",
    "lost_request": "no effect, the connection closes",
    "reset": "no effect, the connection is reset (TCP RST)",
    "error_500": "no effect, 500",
    "error_500_after_effect": "the effect happens, 500 is answered and kept under the key",
    "rate_limited": "no effect, 429",
    "conflict_409": "no effect, 409 as if the key were in use",
}
LONGEST_DELAY = 3600.0


class BadFault(ValueError):
    """A fault that was asked for in a way the sandbox does not know."""


@dataclass
class Fault:
    """One fault. `times` None means until cleared."""

    kind: str
    method: str = "*"
    path: str = "*"
    metadata: Json = field(default_factory=dict)
    times: int | None = 1
    delay_seconds: float = 0.0
    hits: int = 0

    def shown(self) -> Json:
        """Give it as JSON."""
        match: Json = {"method": self.method, "path": self.path}
        if self.metadata:
            match["metadata"] = self.metadata
        left = None if self.times is None else max(self.times - self.hits, 0)
        return {
            "fault": self.kind,
            "match": match,
            "times": self.times,
            "delay_seconds": self.delay_seconds,
            "hits": self.hits,
            "remaining": left,
        }

    def spent(self) -> bool:
        """Return whether it has hit as often as asked."""
        return self.times is not None and self.hits >= self.times


def read_fault(*, asked: Json) -> Fault:
    """Read a fault from JSON. Raises: BadFault."""
    unknown = set(asked) - {"fault", "match", "times", "delay_seconds"}
    match = asked.get("match", {})
    if not isinstance(match, dict):
        raise BadFault("match must be an object")
    unknown |= set(match) - {"method", "path", "metadata"}
    if unknown:
        raise BadFault(f"unknown: {', '.join(sorted(unknown))}")
    kind = asked.get("fault")
    if kind not in KINDS:
        raise BadFault(f"fault must be one of {', '.join(KINDS)}")
    times = asked.get("times", 1)
    if times is not None and (not isinstance(times, int) or isinstance(times, bool) or times < 1):
        raise BadFault("times must be a positive integer, or null for always")
    delay = asked.get("delay_seconds", 30.0 if kind == "never" else 0.0)
    if isinstance(delay, bool) or not isinstance(delay, int | float) or not 0 <= delay <= LONGEST_DELAY:
        raise BadFault(f"delay_seconds must be a number from 0 to {LONGEST_DELAY:g}")
    metadata = match.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise BadFault("match.metadata must be an object")
    return Fault(
        kind=str(kind),
        method=str(match.get("method", "*")).upper(),
        path=str(match.get("path", "*")),
        metadata={str(key): str(value) for key, value in metadata.items()},
        times=times,
        delay_seconds=float(delay),
    )


class Faults:
    """The faults in force, in the order they were asked for; the first that fits is taken."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, *, fault: Fault) -> None:
        """Put a fault in force."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Take all of them away."""
        with self._lock:
            self._faults.clear()

    def shown(self) -> list[Json]:
        """Give all of them, also the spent ones, with how often each has hit."""
        with self._lock:
            return [fault.shown() for fault in self._faults]

    def take(
        self, *, method: str, path: str, metadata: Callable[[], Json], is_replay: Callable[[], bool]
    ) -> Fault | None:
        """Use up one hit of the first fault that fits this request, and give it.

        A replay has no effect to fail after, so `error_500_after_effect` lets it pass.
        """
        with self._lock:
            candidates = [
                fault
                for fault in self._faults
                if not fault.spent()
                and fnmatch.fnmatchcase(method, fault.method)
                and fnmatch.fnmatchcase(path, fault.path)
            ]
        for fault in candidates:
            if fault.metadata and not fault.metadata.items() <= metadata().items():
                continue
            if fault.kind == "error_500_after_effect" and is_replay():
                continue
            with self._lock:
                if not fault.spent():
                    fault.hits += 1
                    return fault
        return None
