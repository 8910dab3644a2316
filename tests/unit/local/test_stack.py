"""The whole shop as processes: what starts it reads nothing that needs Django, which is set up once a database is there."""

import os
import subprocess
import sys

import pytest

from local.processes import ROOT


@pytest.mark.parametrize("module", ["local.run", "local.demo", "tests.load.__main__", "tests.load.counts"])
def test_what_starts_the_shop_needs_no_settings(module):
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}

    done = subprocess.run(
        [sys.executable, "-c", f"import {module}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
