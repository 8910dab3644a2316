"""A RabbitMQ of these tests' own that they may kill, and the shop's processes over it.

Each test has queues of its own, by EVENTS_NAMESPACE. Nothing sleeps: `until` asks for a condition, with a deadline.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connections

from shop.events import relay
from shop.events.port import TransportUnavailable
from tests.driver.rabbitmq import PrivateRabbitmq
from tests.driver.waiting import DEADLINE_SECONDS
from tests.process.broker import Broker, broker, broker_of_session, throw_connection_away
from tests.process.starting import beat, start, worker

__all__ = ["beat", "broker", "broker_of_session", "start", "worker"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all of these; each process of xdist that runs some has a broker of its own."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            for mark in (pytest.mark.rabbitmq, pytest.mark.timeout(300)):
                item.add_marker(mark)


@pytest.fixture
def node(broker: Broker) -> PrivateRabbitmq:
    """Give the node to tests that kill it."""
    if broker.node is None:
        pytest.skip("only a RabbitMQ of this run's own is killed: install the package rabbitmq-server")
    # RabbitMQ 3.10 flushes who leads a new quorum queue some seconds late; killed before that, the queue never finds a
    # leader again. An orderly stop flushes it.
    broker.node.stop()
    broker.node.start()
    return broker.node


@pytest.fixture
def publisher() -> Iterator[Callable[[], None]]:
    """Return a function that has a relay publish in a thread until the test ends, whatever the broker does."""
    ended: list[bool] = []

    def run() -> int:
        published = failures = 0
        try:
            while not ended:
                try:
                    published += relay.drain("orders")
                except TransportUnavailable:
                    failures += 1
        finally:
            throw_connection_away()
            connections.close_all()
        return failures

    with ThreadPoolExecutor(max_workers=1) as threads:
        running = []
        yield lambda: running.append(threads.submit(run))
        ended.append(True)
        for each in running:
            each.result(DEADLINE_SECONDS)


@pytest.fixture
def clean_environment() -> dict[str, str]:
    """Return this process's environment, for children started without `start`."""
    return dict(os.environ)
