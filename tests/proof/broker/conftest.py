"""A RabbitMQ of this campaign's own, an outsider who listens, and the shop's processes over it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.processes import Process
from tests.process.broker import Broker, broker, broker_of_session  # noqa: F401  fixtures
from tests.process.starting import beat, start, worker  # noqa: F401  fixtures
from tests.proof.broker.campaign import Campaign
from tests.proof.broker.outsider import Outsider
from tests.proof.report import SEED

SETTINGS = "tests.proof.broker.settings"
PUBLISHERS = 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all of these."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.rabbitmq)


@pytest.fixture
def outsider(broker: Broker) -> Iterator[Outsider]:  # noqa: F811
    """Have somebody listen to every fact, on a broker that may be killed from now on."""
    if broker.node is None:
        advice = "only a RabbitMQ of this run's own is killed: install the package rabbitmq-server"
        if os.environ.get("CI"):
            pytest.fail(advice)
        pytest.skip(advice)
    listener = Outsider(broker.url)
    listener.declare()
    # RabbitMQ 3.10 flushes who leads a new quorum queue some seconds late; killed before that, the queue never finds a
    # leader again. An orderly stop flushes it.
    broker.node.stop()
    broker.node.start()
    listener.start()
    yield listener
    listener.stop()


@pytest.fixture
def campaign(
    broker: Broker,  # noqa: F811
    outsider: Outsider,
    worker: Callable[..., Process],  # noqa: F811
    beat: Callable[..., Process],  # noqa: F811
    start: Callable[..., Process],  # noqa: F811
) -> Callable[..., Campaign]:
    """Return a function that starts workers, beat and publishers, and gives the campaign over them."""

    def begin(*, events: int, per_second: float) -> Campaign:
        running = Campaign(
            broker=broker,
            outsider=outsider,
            start_worker=lambda: worker(DJANGO_SETTINGS_MODULE=SETTINGS),
            events=events,
            seed=SEED,
        )
        beat()
        for number in range(PUBLISHERS):
            share = events // PUBLISHERS + (events % PUBLISHERS if number == 0 else 0)
            start(
                "publisher", "-m", "tests.proof.broker.publisher", f"--events={share}", "--threads=2",
                f"--per-second={per_second / PUBLISHERS}", f"--seed={SEED}:{number}",
                DJANGO_SETTINGS_MODULE=SETTINGS, EVENTS_WAKE_IN_PROCESS="True",
            )  # fmt: skip
        return running

    return begin
