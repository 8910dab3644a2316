"""The report of `make prove`: a pytest plugin (`-p tests.proof.report`) that sums up what was tried and what broke.

A test that injects faults takes the fixture `proof` and records what it did; at the end of the run one table shows
every fault with its histories, its violations and the 99th percentile of the time until everything was well again.
PROVE says how much is tried: unset, the slice that the suite runs; `short`, what fits into CI; `full`, the campaign.
"""

from __future__ import annotations

import json
import os
import platform
import random
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest

EXTENT: Final = os.environ.get("PROVE", "slice")
SEED: Final = int(os.environ.get("SEED", "20261125"))
PROPERTY: Final = "proof"
HEADING: Final = "## The last campaign"


Size = TypeVar("Size")
Drawn = TypeVar("Drawn")


def sized(*, slice: Size, short: Size, full: Size) -> Size:  # noqa: A002
    """Return what fits the extent of this run. Raises: pytest.UsageError where PROVE names none."""
    sizes = {"slice": slice, "short": short, "full": full}
    if EXTENT not in sizes:
        raise pytest.UsageError(f"PROVE={EXTENT} is none of {', '.join(sizes)}")
    return sizes[EXTENT]


def drawn(those: Sequence[Drawn], *, one_in: int, of: str) -> list[Drawn]:
    """Return one in so many of them, rounded up, in their order; SEED and `of`, which says whose they are, choose."""
    chance = random.Random(f"{SEED} {of}")
    return [those[number] for number in sorted(chance.sample(range(len(those)), -(-len(those) // one_in)))]


@dataclass
class Finding:
    """What came of one kind of fault."""

    fault: str
    histories: int = 0
    of: int = 0
    violations: list[str] = field(default_factory=list)
    recoveries: list[float] = field(default_factory=list)
    is_part: bool = False

    def add(
        self, histories: int, of: int, violations: Iterable[str], recoveries: Iterable[float], is_part: bool
    ) -> None:
        """Count what another test found of the same fault."""
        self.is_part = is_part
        self.histories += histories
        self.of += of
        self.violations += violations
        self.recoveries += recoveries

    @property
    def recovery_p99(self) -> float | None:
        """Return the time in seconds within which 99 of 100 recovered (the nearest rank); None if none was timed."""
        if not self.recoveries:
            return None
        return sorted(self.recoveries)[-(-99 * len(self.recoveries) // 100) - 1]


Record = Callable[..., None]


@pytest.fixture
def proof(record_property: Callable[[str, object], None]) -> Record:
    """Return `record(fault, *, histories, of=0, violations=(), recoveries=(), is_part=False)`; call it before you assert.

    `fault` is a row of the table in words ("worker killed"), `histories` how often it was tried, `of` how many there
    are where they can be counted, `violations` one sentence for each, `recoveries` seconds from the end of the fault
    until everything was well again. What `is_part` of another row, or no history at all, is left out of the sum.
    """

    def record(
        fault: str,
        *,
        histories: int,
        of: int = 0,
        violations: Sequence[str] = (),
        recoveries: Sequence[float] = (),
        is_part: bool = False,
    ) -> None:
        record_property(PROPERTY, json.dumps([fault, histories, of, list(violations), list(recoveries), is_part]))

    return record


def findings_of(properties: Iterable[tuple[str, Any]]) -> list[Finding]:
    """Sum up what the tests recorded, a finding per fault, in the order of their names."""
    findings: dict[str, Finding] = {}
    for name, value in properties:
        if name == PROPERTY:
            fault, *figures = json.loads(value)
            findings.setdefault(fault, Finding(fault)).add(*figures)
    return [findings[fault] for fault in sorted(findings)]


def table_of(findings: Sequence[Finding]) -> list[str]:
    """Return the lines of a Markdown table."""
    rows = [("fault", "histories", "violations", "recovery p99")]
    for found in findings:
        p99 = "" if found.recovery_p99 is None else f"{found.recovery_p99:.1f} s"
        histories = f"{found.histories:,} of {found.of:,}" if found.of else f"{found.histories:,}"
        rows.append((found.fault, histories, f"{len(found.violations):,}", p99))
    whole = [found for found in findings if not found.is_part]
    total = (sum(found.histories for found in whole), sum(len(found.violations) for found in whole))
    rows.append(("all", f"{total[0]:,}", f"{total[1]:,}", ""))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]

    def line(row: Sequence[str]) -> str:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        return f"| {' | '.join(cells)} |"

    rule = "| " + " | ".join(["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]) + " |"
    return [line(rows[0]), rule, *map(line, rows[1:])]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer to keep the table."""
    help_ = f"write the result under the heading '{HEADING}' of this Markdown file, in place of the last one"
    parser.addoption("--proof-file", type=Path, help=help_)
    help_ = (
        "keep what each test found in this file, which is of one commit and one SEED, and sum up all that stands there"
    )
    parser.addoption("--proof-log", type=Path, help=help_)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin a proof with what may take longest, so that no worker of pytest-xdist ends alone with it."""
    if EXTENT != "slice":
        items.sort(key=_patience, reverse=True)


def _patience(item: pytest.Item) -> float:
    mark = item.get_closest_marker("timeout")
    return float(mark.args[0]) if mark and mark.args else 0.0


@dataclass(frozen=True)
class Outcome:
    """How one test of a proof ended, and what it recorded."""

    outcome: str
    properties: list[tuple[str, Any]]


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Listen to what the tests report, in the process that the workers of pytest-xdist report to."""
    if not hasattr(config, "workerinput"):
        collector = Collector(config.getoption("--proof-log"), commit=commit_of_tree())
        config.pluginmanager.register(collector, "proof-collector")


class Collector:
    """Keeps how each test ended; in a file as well, so that a campaign of hours can break off and go on.

    The file is the record of one commit: its first line is the commit and the seed, each other one is a test, how it
    ended and what it recorded.
    """

    def __init__(self, log: Path | None, *, commit: str) -> None:
        """Read the file, or begin it. Raises: pytest.UsageError where it would not be of one commit and one seed."""
        self._log = log
        self.commit = commit
        self.outcomes: dict[str, Outcome] = {}
        if log is None:
            return
        if not commit or commit.endswith("+"):
            raise pytest.UsageError(
                f"commit first: what is recorded in {log} is of one commit, not of {commit or 'none'}"
            )
        if not log.exists():
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text(json.dumps([commit, SEED]) + "\n")
        first, *lines = log.read_text().splitlines()
        if json.loads(first) != [commit, SEED]:
            of, seed = json.loads(first)
            raise pytest.UsageError(f"{log} is of commit {of} with SEED={seed}, and this is {commit} with SEED={SEED}")
        for line in lines:
            test, outcome, properties = json.loads(line)
            self.outcomes[test] = Outcome(outcome, [(name, value) for name, value in properties])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a test recorded; one whose setup fails has recorded nothing, but has failed."""
        if report.when != "call" and report.passed:
            return
        found = [(name, value) for name, value in report.user_properties if name == PROPERTY]
        self.outcomes[report.nodeid] = Outcome(report.outcome, found)
        if self._log:
            with self._log.open("a") as log:
                log.write(json.dumps([report.nodeid, report.outcome, found]) + "\n")


def commit_of_tree() -> str:
    """Return the commit of this checkout, with a + where more differs from it than the page of the proof; "" without git."""
    tree = Path(__file__).parents[2]
    commit = _git(tree, "rev-parse", "--short", "HEAD")
    changed = _git(tree, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs/proof.md")
    return f"{commit}+" if changed else commit


def _git(tree: Path, *command: str) -> str:
    git = ["git", "-C", str(tree), "-c", "safe.directory=*", *command]
    return subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()


def pytest_report_header() -> str | None:
    """Say how much is tried, and what repeats it."""
    return f"proof: {EXTENT}, SEED={SEED}" if EXTENT != "slice" else None


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the table, and each violation in words."""
    collector: Collector | None = config.pluginmanager.getplugin("proof-collector")
    outcomes = list(collector.outcomes.values()) if collector else []
    findings = findings_of(entry for outcome in outcomes for entry in outcome.properties)
    if not findings:
        return
    table = table_of(findings)
    terminalreporter.section(f"proof: {EXTENT}, SEED={SEED}")
    for line in table:
        terminalreporter.write_line(line)
    for found in findings:
        for violation in found.violations:
            terminalreporter.write_line(f"VIOLATION {found.fault}: {violation}")
    wanted: Path | None = config.getoption("--proof-file")
    if wanted is not None and collector is not None:
        keep_result(wanted, table, outcomes, commit=collector.commit)


def keep_result(file: Path, table: Sequence[str], outcomes: Sequence[Outcome], *, commit: str) -> None:
    """Put the result, with what it was made on, in the place of the last one. Raises: ValueError without the heading."""
    before, heading, _last = file.read_text().partition(HEADING)
    if not heading:
        raise ValueError(f"{file} has no heading '{HEADING}' to write the result under")
    counted = Counter(outcome.outcome for outcome in outcomes)
    cores, memory = os.cpu_count(), os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    machine = f"{cores} cores ({platform.machine()}), {memory:.0f} GiB, {platform.system()}"
    made = (
        f"`make prove-full SEED={SEED}` on {datetime.now(UTC):%Y-%m-%d}: {machine}, Python {platform.python_version()}, commit"
        f" {commit}: {counted['passed']:,} tests passed, {counted['failed']:,} failed, {counted['skipped']:,} skipped."
    )
    file.write_text("\n".join([before + heading, "", made, "", *table, ""]))
