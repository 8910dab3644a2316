"""A shop of processes for the campaigns; where no RabbitMQ is installed they cannot run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.driver.rabbitmq import insist_on_rabbitmq
from tests.proof.processes.shop import ChaosShop


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChaosShop]:
    """Start a shop of its own for the module; its campaigns come one after the other."""
    insist_on_rabbitmq()
    made = ChaosShop(tmp_path_factory.mktemp("shop"))
    try:
        made.start()
        yield made
    finally:
        made.stop()
