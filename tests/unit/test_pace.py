"""A house whose tests share what is dear to start is run by one worker, and what takes longest begins first."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests import pace

ROOT = Path(__file__).parents[2]
SUITE = """
import pytest

@pytest.mark.parametrize("number", range(6))
def test_it(number): pass
"""


def test_every_house_has_tests():
    for house in (*pace.SHARE, *pace.LONG):
        assert list((ROOT / house).rglob("test_*.py")), house


def test_a_house_is_run_by_one_worker_and_the_longest_begin_first(tmp_path: Path):
    for house in ("tests/browser", "tests/proof/power", "tests/a"):
        (tmp_path / house).mkdir(parents=True)
        (tmp_path / house / f"test_{house.rpartition('/')[2]}.py").write_text(SUITE)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")

    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-n", "2", "--dist", "loadgroup", "-p", "xdist.plugin", "-p", "tests.pace"],
        cwd=tmp_path,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )  # fmt: skip

    found = re.findall(r"^\[(gw\d)\].*PASSED (tests/\S+?)::", ran.stdout, re.MULTILINE)
    assert len(found) == 18, ran.stdout + ran.stderr
    assert len({worker for worker, file in found if file.startswith("tests/browser/")}) == 1
    alone = [file.split("/")[1] for worker, file in found if not file.startswith("tests/browser/")]
    assert alone.index("a") >= 4, alone
