"""What runs again in another layout of the databases: a pytest plugin (loaded with `-p tests.layouts`).

A test that changes nothing but through one connection, and starts no process, comes out the same whether the contexts
share a database or each has its own: nothing went from one to another, and a context that asks the wrong database fails
with five. `--write-alike FILE` names these in a file, of a run with a database per context, where connections can be
told apart; `--leave-alike FILE` leaves them out of the run with one database that follows.

`--half 1` and `--half 2` share the faults of the proof, and what starts whole shops, between two runs, the first with one
database. What has databases of its own, or none, or sees none, is in the first; all other tests are in both.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import pytest

PROPERTY: Final = "is_alike"
CHANGED_THROUGH: Final = pytest.StashKey[set[str]]()
WITHOUT_LAYOUT: Final = (
    # They see answers alone, and every answer of either layout is held against the description that they are made of.
    "tests/acceptance/test_generated_clients.py",
    "tests/acceptance/test_make_run.py",
    "tests/integration/database/test_embedded_postgres.py",
    "tests/integration/database/test_embedded_rabbitmq.py",
    "tests/integration/database/test_projects.py",
    # The plan of a statement is made of one context's tables, wherever these stand.
    "tests/integration/growth/",
    *(f"tests/proof/{folder}/" for folder in ("model", "mutants", "power", "processes")),
)
SHARED: Final = (
    "tests/acceptance/",
    *(f"tests/proof/{folder}/" for folder in ("broker", "crashes", "handlers", "races", "simulator", "upgrade")),
)
STARTS = frozenset({"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn"})

_started: list[str] = []


def _note_start(event: str, _arguments: Any) -> None:
    if event in STARTS:
        _started.append(event)


sys.addaudithook(_note_start)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer to run nothing again that cannot come out differently."""
    help_ = "name the tests that passed and that another layout of the databases cannot change in this file, one a line"
    parser.addoption("--write-alike", type=Path, help=help_)
    parser.addoption("--leave-alike", type=Path, help="leave out the tests that this file names")
    parser.addoption("--half", type=int, choices=(1, 2), help="run one half of the proof; always the same ones")


def pytest_configure(config: pytest.Config) -> None:
    """Write the file in the process that the workers of pytest-xdist report to."""
    file: Path | None = config.getoption("--write-alike")
    if file is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Writer(file), "layouts-writer")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what this run is not to try."""
    file: Path | None = config.getoption("--leave-alike")
    known = set(file.read_text().splitlines()) if file is not None else set()
    half: int | None = config.getoption("--half")
    left = [item for item in items if item.nodeid in known or (half and half_of(item.nodeid) not in (None, half))]
    if left:
        config.hook.pytest_deselected(items=left)
        gone = set(left)
        items[:] = [item for item in items if item not in gone]


def half_of(nodeid: str) -> int | None:
    """Return the half that a test is in, 1 or 2; None if it is in both."""
    if nodeid.startswith(WITHOUT_LAYOUT):
        return 1
    return 1 + crc32(nodeid.encode()) % 2 if nodeid.startswith(SHARED) else None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin to count the processes that this test starts."""
    _started.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Tell whether another layout could change the test, once it has ended."""
    if call.when == "teardown":
        item.user_properties.append((PROPERTY, not _started and len(item.stash.get(CHANGED_THROUGH, set())) <= 1))
    return (yield)


class Writer:
    """Names the tests that cannot differ, once all have ended."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._passed: set[str] = set()
        self._alike: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take note of a test that passed from its setup to its teardown."""
        if report.when == "call" and report.passed:
            self._passed.add(report.nodeid)
        ended_well = report.when == "teardown" and report.passed and report.nodeid in self._passed
        if ended_well and dict(report.user_properties).get(PROPERTY):
            self._alike.append(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        """Write the file."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text("".join(f"{nodeid}\n" for nodeid in sorted(self._alike)))
