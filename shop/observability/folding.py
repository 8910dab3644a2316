"""Counts of processes that ended: added up into one file for each kind of metric, so that no files of each are left.

prometheus_client gives each process files of its own in PROMETHEUS_MULTIPROC_DIR, 64 KiB or more, and keeps those with
counters and histograms for good: a web process ends after WEB_MAX_REQUESTS, a worker's may be killed at any time.

Note [No figure counts twice]
A sum that goes up and down again looks like a counter that began anew, and Prometheus adds all of it. So figures are read
under a shared lock, and files are put in place of others under an exclusive one. What is to be put in place is noted in a
journal first: a process that dies halfway leaves it, and whoever folds or reads next finishes the work.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import structlog
from prometheus_client.mmap_dict import MmapedDict

log = structlog.get_logger(__name__)

SUMMED = ("counter", "histogram", "summary")
FOLDED = "folded"
JOURNAL = "folding.json"
LOCK = "folding.lock"
# A process that was frozen while it held the lock must not keep the figures from everybody.
WAIT_SECONDS = 1.0


def fold(folder: Path) -> int:
    """Add the files of processes that ended to those of all that ended before; return how many files went.

    Safe from several processes at once: where another one folds or reads, nothing is done, and the next call does it.
    """
    if not folder.is_dir():
        return 0
    with _locked(folder, fcntl.LOCK_EX, wait_seconds=0) as mine:
        if not mine:
            return 0
        _put_in_place(folder)
        dead = [path for path in folder.glob("*_*.db") if _is_of_a_dead_process(path)]
        for kind in SUMMED:
            if files := [path for path in dead if path.name.startswith(f"{kind}_")]:
                _add_up(folder, kind, files)
        for path in dead:
            if path.name.startswith("gauge_live"):
                path.unlink(missing_ok=True)
    return len(dead)


@contextmanager
def unchanged(folder: Path) -> Iterator[None]:
    """Let nobody fold during the block, in which figures are read. See Note [No figure counts twice]."""
    with _locked(folder, fcntl.LOCK_SH, wait_seconds=WAIT_SECONDS):
        yield


def _add_up(folder: Path, kind: str, files: list[Path]) -> None:
    together = folder / f"{kind}_{FOLDED}.db"
    totals: defaultdict[str, float] = defaultdict(float)
    for path in [together, *files]:
        for key, value in _values_in(path):
            totals[key] += value
    made = folder / f"{kind}_{FOLDED}.new"
    made.unlink(missing_ok=True)
    library: Any = MmapedDict  # it has no types
    written = library(str(made))
    for key, value in totals.items():
        written.write_value(key, value, 0.0)
    written.close()
    note = folder / f"{JOURNAL}.new"
    note.write_text(json.dumps({"made": made.name, "of": together.name, "gone": [path.name for path in files]}))
    note.replace(folder / JOURNAL)
    _put_in_place(folder)


def _put_in_place(folder: Path) -> None:
    """Do what the journal says, whoever wrote it; safe to repeat from any point of it."""
    journal = folder / JOURNAL
    if not journal.exists():
        return
    noted = json.loads(journal.read_text())
    with suppress(FileNotFoundError):
        (folder / noted["made"]).replace(folder / noted["of"])
    for name in noted["gone"]:
        (folder / name).unlink(missing_ok=True)
    journal.unlink()


def _values_in(path: Path) -> list[tuple[str, float]]:
    """Return what a process counted; nothing where it was killed before its file had a beginning."""
    library: Any = MmapedDict
    try:
        return [(key, value) for key, value, *_rest in library.read_all_values_from_file(str(path))]
    except FileNotFoundError:
        return []
    except (struct.error, RuntimeError, UnicodeDecodeError) as error:
        log.warning("metrics.file_unreadable", file=path.name, error=repr(error))
        return []


def _is_of_a_dead_process(path: Path) -> bool:
    pid = path.stem.rpartition("_")[2]
    if not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


@contextmanager
def _locked(folder: Path, kind: int, *, wait_seconds: float) -> Iterator[bool]:
    """Hold the folder's lock, and give whether it is held: nobody waits for it longer than `wait_seconds`."""
    with (folder / LOCK).open("a") as lock:
        ends = time.monotonic() + wait_seconds
        held = _take(lock.fileno(), kind)
        while not held and time.monotonic() < ends:
            time.sleep(0.01)
            held = _take(lock.fileno(), kind)
        yield held


def _take(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
