"""A shop of processes for the campaigns; where no RabbitMQ is installed they cannot run."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from config.embedded.rabbitmq import RabbitmqError, _server_script
from tests.chaos.processes.shop import ChaosShop


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChaosShop]:
    """Start a shop of its own for the module; its campaigns come one after the other."""
    try:
        _server_script()
    except RabbitmqError as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))
    made = ChaosShop(tmp_path_factory.mktemp("shop"))
    try:
        made.start()
        yield made
    finally:
        made.stop()
