"""The short form of the bench: what an order costs in figures that do not depend on the machine."""

from __future__ import annotations

import os

import pytest

from local.rabbitmq import RabbitmqError
from tests.driver.rabbitmq import server_script
from tests.load import limits
from tests.load.counts import count_orders, described, least


def a_broker_can_be_had() -> bool:
    try:
        return bool(os.environ.get("BROKER_URL") or server_script())
    except RabbitmqError:
        return False


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("broker", "limit"),
    [
        pytest.param(True, limits.WITH_BROKER, id="over RabbitMQ", marks=pytest.mark.rabbitmq),
        pytest.param(False, limits.INLINE, id="in the process"),
    ],
)
def test_an_order_costs_no_more_than_it_did(broker: bool, limit: dict[str, int]):
    if broker and not a_broker_can_be_had():
        advice = "no RabbitMQ: install the package rabbitmq-server, or set BROKER_URL"
        pytest.fail(advice) if os.environ.get("CI") else pytest.skip(advice)

    found = count_orders(broker=broker)

    over = {name: (figure, limit[name]) for name, figure in least(found).items() if figure > limit[name]}
    assert not over, f"{over} (now, limit in tests/load/limits.py)\n{described(found)}"
