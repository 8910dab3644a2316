"""The provider as a process of its own, as the crash enumeration has it, and the pair of threads that overlap."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.driver.provider import Provider
from tests.driver.provider_process import provider, sandbox_process
from tests.proof.races.overlap import Pair
from tests.proof.races.stage import Stage
from tests.proof.together import together

__all__ = ["provider", "sandbox_process", "together"]


@pytest.fixture
def stage(provider: Provider, settings: Any) -> Stage:
    return Stage(provider, settings)


@pytest.fixture
def pair(provider: Provider) -> Iterator[Pair]:
    made = Pair()
    yield made
    made.close()
