"""What makes the suite quick and changes no test: a pytest plugin (loaded with `-p tests.pace`).

Python's cycle collector looks again and again at all that is imported and collected, which lives as long as the run. It
rests until the tests are collected, and leaves what there is by then alone: a third less to collect them, a tenth less to run.
"""

from __future__ import annotations

import gc
from typing import Any

import pytest

gc.disable()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Any:
    """Let the collector work from the first test on, on what tests make."""
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
