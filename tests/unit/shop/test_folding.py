"""Counts of processes that ended are kept, their files are not; whoever dies while folding loses and doubles nothing."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

from shop.observability import folding, metrics

COUNTS = """
from prometheus_client import Counter, Gauge, Histogram
Counter("orders", "Orders", ["outcome"]).labels("confirmed").inc(3)
Histogram("seconds", "Seconds", buckets=(1, 5)).observe(2)
Gauge("at_work", "At work", multiprocess_mode="livesum").set(7)
"""


def let_a_process_count(folder: Path) -> None:
    """Have a process count and end without a word, as one that is killed."""
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)}
    subprocess.run([sys.executable, "-c", COUNTS + "import os; os._exit(9)"], env=environment, check=False, timeout=60)


def figures(folder: Path) -> dict[tuple[str, Any], float]:
    return {
        (sample.name, tuple(sample.labels.items())): sample.value
        for metric in MultiProcessCollector(None, str(folder)).collect()
        for sample in metric.samples
    }


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.db")}


SUMMED = {"counter_folded.db", "histogram_folded.db"}


def test_what_three_processes_counted_is_in_one_file_a_kind(tmp_path: Path):
    for _each in range(3):
        let_a_process_count(tmp_path)
    before = figures(tmp_path)
    assert len(files(tmp_path)) == 9

    folding.fold(tmp_path)

    assert files(tmp_path) == SUMMED
    assert figures(tmp_path) == {name: value for name, value in before.items() if name[0] != "at_work"}
    assert figures(tmp_path)["orders_total", (("outcome", "confirmed"),)] == 9
    assert figures(tmp_path)["seconds_bucket", (("le", "5.0"),)] == 3


def test_the_next_that_end_are_added(tmp_path: Path):
    for turn in range(1, 4):
        let_a_process_count(tmp_path)
        folding.fold(tmp_path)

        assert figures(tmp_path)["orders_total", (("outcome", "confirmed"),)] == 3 * turn
        assert files(tmp_path) == SUMMED


def test_files_of_a_process_that_lives_stay_its_own(tmp_path: Path):
    let_a_process_count(tmp_path)
    mine = f"counter_{os.getpid()}.db"
    MmapedDict(str(tmp_path / mine)).close()

    folding.fold(tmp_path)

    assert files(tmp_path) == SUMMED | {mine}


def test_a_file_without_a_beginning_is_none(tmp_path: Path):
    let_a_process_count(tmp_path)
    (tmp_path / "counter_999999999.db").touch()

    folding.fold(tmp_path)

    assert files(tmp_path) == SUMMED
    assert figures(tmp_path)["orders_total", (("outcome", "confirmed"),)] == 3


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("step", range(9))
def test_who_dies_while_folding_loses_and_doubles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int):
    for _each in range(2):
        let_a_process_count(tmp_path)
    folding.fold(tmp_path)
    for _each in range(2):
        let_a_process_count(tmp_path)
    left = [step]

    def dies_at(change: Any) -> Any:
        def changed(*arguments: Any, **named: Any) -> Any:
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            return change(*arguments, **named)

        return changed

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", dies_at(Path.replace))
        patched.setattr(Path, "unlink", dies_at(Path.unlink))
        with pytest.raises(Killed):
            folding.fold(tmp_path)
    folding.fold(tmp_path)

    assert files(tmp_path) == SUMMED
    assert figures(tmp_path)["orders_total", (("outcome", "confirmed"),)] == 12
    assert figures(tmp_path)["seconds_count", ()] == 4


def test_nobody_folds_while_figures_are_read(tmp_path: Path):
    let_a_process_count(tmp_path)
    before = files(tmp_path)

    with folding.unchanged(tmp_path):
        assert folding.fold(tmp_path) == 0
        assert files(tmp_path) == before

    assert folding.fold(tmp_path) == 3


def test_who_holds_the_lock_for_good_keeps_the_figures_from_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(folding, "WAIT_SECONDS", 0.05)
    read = []

    with (tmp_path / folding.LOCK).open("a") as frozen:
        fcntl.flock(frozen.fileno(), fcntl.LOCK_EX)
        with folding.unchanged(tmp_path):
            read.append(True)

    assert read == [True]


def test_a_scrape_folds_and_tells_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for _each in range(2):
        let_a_process_count(tmp_path)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))

    told = {sample.name: sample.value for metric in metrics._processes() for sample in metric.samples}

    assert told["orders_total"] == 6
    assert "at_work" not in told
    assert files(tmp_path) == SUMMED


def test_there_is_nothing_to_fold_where_nobody_has_counted(tmp_path: Path):
    assert folding.fold(tmp_path / "nowhere") == 0


def test_the_figures_of_a_process_of_another_user_stay_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    let_a_process_count(tmp_path)
    before = files(tmp_path)

    def kill(_pid: int, _signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", kill)

    assert folding.fold(tmp_path) == 0
    assert files(tmp_path) >= before
