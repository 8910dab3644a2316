"""What kills a RabbitMQ needs one of its own: skipped where none is installed, failed in CI."""

from __future__ import annotations

import os

import pytest

from local.rabbitmq import RabbitmqError
from tests.rabbitmq import server_script


def insist_on_rabbitmq() -> None:
    """Skip the test, or in CI fail it, where no RabbitMQ is installed."""
    try:
        server_script()
    except RabbitmqError as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))
