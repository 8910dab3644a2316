"""What another layout of the databases cannot change is left out of it, and nothing else is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import layouts

ROOT = Path(__file__).parents[2]
SUITE = """
import subprocess
import pytest
from tests import layouts

@pytest.fixture(autouse=True)
def uses(request):
    request.node.stash[layouts.CHANGED_THROUGH] = set(request.node.get_closest_marker("uses").args)

@pytest.mark.uses()
def test_no_database(): pass

@pytest.mark.uses("orders")
def test_one_context(): pass

@pytest.mark.uses("default", "orders")
def test_two(): pass

@pytest.mark.uses("orders")
def test_process(): subprocess.run(["true"], check=True)

@pytest.mark.uses("orders")
def test_failure(): assert False

@pytest.mark.uses("orders")
def test_skip(): pytest.skip("only in another layout")
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("suite")
    (folder / "test_it.py").write_text(SUITE)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    uses: these connections\n")
    return folder


def run(suite: Path, *options: str) -> str:
    plugins = ("-p", "xdist.plugin", "-p", "tests.layouts", "-p", "no:cacheprovider")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", str(suite / "pytest.ini"), *plugins, *options, str(suite)],
        cwd=ROOT,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    return done.stdout + done.stderr


def test_what_passed_and_changed_one_database_at_most_is_not_run_again(suite: Path):
    alike = suite / "folder" / "alike.txt"

    first = run(suite, "--write-alike", str(alike), "-n", "2")

    assert "1 failed, 4 passed, 1 skipped" in first, first
    assert [line.partition("::")[2] for line in alike.read_text().splitlines()] == [
        "test_no_database",
        "test_one_context",
    ]
    assert "1 failed, 2 passed, 1 skipped" in run(suite, "--leave-alike", str(alike))


def test_each_test_of_the_proof_is_in_one_half():
    for folder in layouts.SHARED:
        ids = [f"{folder}test_{number}.py::test_it" for number in range(1000)]

        halves = [layouts.half_of(nodeid) for nodeid in ids]

        assert set(halves) == {1, 2}
        assert 400 < halves.count(1) < 600
        assert halves == [layouts.half_of(nodeid) for nodeid in ids]


def test_the_halves_are_the_whole_and_share_nothing_but_the_proof(suite: Path, tmp_path: Path):
    (tmp_path / "pytest.ini").write_text((suite / "pytest.ini").read_text())
    for folder in ("tests/proof/races", "tests/proof/power", "tests/proof/security"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / f"test_{folder[-5:]}.py").write_text(SUITE)

    tried = [run(tmp_path, "--half", half, "--collect-only") for half in ("1", "2")]

    first, second = ({line for line in output.splitlines() if "::" in line} for output in tried)
    assert len(first | second) == 18, tried
    assert (
        len([line for line in first & second if line.startswith("tests/proof/security/")]) == len(first & second) == 6
    )
    assert {line for line in first if "power" in line} == {line for line in first | second if "power" in line}


def test_every_folder_of_the_proof_is_shared_or_has_no_layout():
    """Of those of a caller who means harm, none is left out: what a request is answered is not a fault to be shared."""
    folders = {f"tests/proof/{path.parent.name}/" for path in (ROOT / "tests" / "proof").glob("*/test_*.py")}

    assert folders - set(layouts.SHARED) - set(layouts.WITHOUT_LAYOUT) == {"tests/proof/security/"}


def test_what_has_databases_of_its_own_is_tried_with_one_database():
    for place in layouts.WITHOUT_LAYOUT:
        found = [path.relative_to(ROOT) for path in ROOT.glob(f"{place}test_*.py" if place.endswith("/") else place)]
        assert found
        assert {layouts.half_of(f"{path}::test_{number}") for path in found for number in range(20)} == {1}
