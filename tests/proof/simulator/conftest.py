"""A simulator in the test's database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.proof.simulator.history import Simulator


@pytest.fixture
def simulator(database: None) -> Iterator[Simulator]:
    made = Simulator()
    with made.running():
        yield made
