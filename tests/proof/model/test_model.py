"""The model holds: each part of docs/model/check, all of them in `make prove`, the quickest in the suite."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.proof.report import Record, sized

CHECK = Path(__file__).parents[3] / "docs" / "model" / "check"
PARTS = subprocess.run([CHECK, "list"], capture_output=True, text=True, check=True).stdout.split()
QUICKEST = ["one-worker", "M2_SWEEPER_FREES_PAYING"]


@pytest.fixture(scope="module")
def spin() -> None:
    missing = [tool for tool in ("spin", "cc") if shutil.which(tool) is None]
    if missing and os.environ.get("CI"):
        pytest.fail(f"CI checks the model, and {' and '.join(missing)} is not installed")
    if missing:
        pytest.skip(f"{' and '.join(missing)} is not installed (Debian: apt-get install spin gcc libc6-dev)")


def test_the_model_has_its_parts():
    assert PARTS[:3] == ["safety", "one-worker", "liveness"]
    assert len(PARTS) >= 10
    assert set(QUICKEST) <= set(PARTS)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", sized(slice=QUICKEST, short=PARTS, full=PARTS))
def test_the_model_holds(part: str, spin: None, proof: Record):
    checked = subprocess.run([CHECK, part], capture_output=True, text=True, check=False)

    said = checked.stdout.strip()
    states = re.search(r"(\d+) states", said)
    kind = "model: mutant of the model" if part.startswith("M") else f"model: {part}, states"
    counted = 1 if part.startswith("M") else int(states[1]) if states else 0
    wrong = [] if checked.returncode == 0 else [f"{part}: {said.splitlines()[:1]}"]
    proof(kind, histories=counted, violations=wrong, is_part=not part.startswith("M"))
    assert checked.returncode == 0, f"{said}\n{checked.stderr}"
    assert counted > 0


def test_a_part_that_does_not_exist_is_no_success():
    assert subprocess.run([CHECK, "M9_NOTHING"], capture_output=True, check=False).returncode == 2
