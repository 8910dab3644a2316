"""CPU time of this machine's processes, from /proc."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Self

TICK = os.sysconf("SC_CLK_TCK")


def family(root: int) -> list[int]:
    """Return a process and all that descend from it."""
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        try:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                waiting += map(int, children.read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def cpu_seconds(roots: Iterable[int]) -> float:
    """Return what the families of these processes have used since they began; children that ended count for their parent."""
    ticks = 0
    for root in roots:
        for pid in family(root):
            try:
                stat = Path(f"/proc/{pid}/stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            # After the name, which may hold anything: utime, stime, and both of the children that were waited for.
            ticks += sum(map(int, stat.rpartition(")")[2].split()[11:15]))
    return ticks / TICK


def machine_seconds() -> float:
    """Return what all processes of the machine have used since it was switched on."""
    words = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _iowait, irq, softirq, *_stolen = map(int, words)
    return (user + nice + system + irq + softirq) / TICK


class CpuMeter:
    """What each group of processes used between `start` and `stop`, and what others on the machine did meanwhile."""

    def __init__(self, groups: Mapping[str, Iterable[int]]) -> None:
        self._groups = {name: list(roots) for name, roots in groups.items()} | {"generator": [os.getpid()]}
        self._began = self._readings()
        self._machine, self._clock = machine_seconds(), time.monotonic()

    def _readings(self) -> dict[str, float]:
        alone = os.times()
        return {
            name: alone.user + alone.system if name == "generator" else cpu_seconds(roots)
            for name, roots in self._groups.items()
        }

    def stop(self) -> tuple[dict[str, float], float]:
        """Return CPU seconds by group, and the share of the machine that went to processes of others (0 to 1)."""
        used = {name: seconds - self._began[name] for name, seconds in self._readings().items()}
        whole = (time.monotonic() - self._clock) * (os.cpu_count() or 1)
        others = machine_seconds() - self._machine - sum(used.values())
        return used, max(0.0, others / whole)


class Others(threading.Thread):
    """Watches which share of the machine goes to processes that are none of the bench's, nor of the families named."""

    EVERY_SECONDS = 2.0

    def __init__(self, roots: Callable[[], Iterable[int]]) -> None:
        super().__init__(daemon=True)
        self._roots, self._ended = roots, threading.Event()
        self._others = self._whole = 0.0

    @property
    def share(self) -> float:
        """Return the share so far, 0 to 1."""
        return max(0.0, self._others / self._whole) if self._whole else 0.0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        """Look now and then: what a process had used before it ended is known by then, but for the last bit."""
        mine, machine, clock = self._used(), machine_seconds(), time.monotonic()
        while not self._ended.wait(self.EVERY_SECONDS):
            before, mine = mine, self._used()
            ours = sum(max(0.0, seconds - before.get(pid, 0.0)) for pid, seconds in mine.items())
            machine_before, machine = machine, machine_seconds()
            clock_before, clock = clock, time.monotonic()
            self._others += machine - machine_before - ours
            self._whole += (clock - clock_before) * (os.cpu_count() or 1)

    def _used(self) -> dict[int, float]:
        found = {}
        for root in (os.getpid(), *self._roots()):
            for pid in family(root):
                try:
                    stat = Path(f"/proc/{pid}/stat").read_text()
                except (FileNotFoundError, ProcessLookupError):
                    continue
                found[pid] = sum(map(int, stat.rpartition(")")[2].split()[11:13])) / TICK
        return found
