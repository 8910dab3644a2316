"""What makes the suite quick and changes no test: a pytest plugin (loaded with `-p tests.pace`).

Python's cycle collector looks again and again at all that is imported and collected, which lives as long as the run. It
rests until the tests are collected, and leaves what there is by then alone: a third less to collect them, a tenth less to run.

Houses whose tests share what is dear to start (a browser and its shop, a RabbitMQ, a shop with a long past) are run by one worker of
pytest-xdist each, so that it starts once. These begin first, then what takes long by itself: a test of minutes that begins last leaves
all workers but its own idle. It goes by the path of a test: the marks of pytest-xdist 3.8 for groups do nothing with pytest 9.2.
"""

from __future__ import annotations

import gc
import os
from typing import Any, Final

import pytest

SHARE: Final = (
    "tests/browser/",
    "tests/integration/growth/",
    "tests/process/",
    # A slice of these is few; a longer form keeps every worker busy for minutes.
    *(() if os.environ.get("PROVE") else ("tests/proof/mutants/",)),
)
LONG: Final = (
    "tests/load/",
    *(f"tests/proof/{folder}/" for folder in ("broker", "crashes", "model", "mutants", "power", "processes")),
)

gc.disable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Schedule by house where the command says `--dist loadgroup`."""
    from tests.by_house import ByHouse  # only now: pytest warns of plugins that were imported before it loads them

    return ByHouse(config, log) if config.getvalue("dist") == "loadgroup" else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Any:
    """Let the collector work from the first test on, on what tests make."""
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest first, each kind in the order that it has."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))
