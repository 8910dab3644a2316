"""A RabbitMQ of the tests' own that they may kill, with queues of each test's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import amqp
import pytest

from local.rabbitmq import RabbitmqError
from shop import topology
from shop.events import transport
from shop.events.broker import CeleryTransport, connect
from tests.driver.rabbitmq import PrivateRabbitmq, channel_of, server_script
from tests.integration.events import bench
from tests.process import bell_tower


def throw_connection_away() -> None:
    """Close the connection of this thread on which facts are published."""
    bus = transport.transport()
    assert isinstance(bus, CeleryTransport)
    bus._throw_away()


class Broker:
    """The broker of these tests; `node` is None where it is somebody else's, and must not be killed."""

    def __init__(self, url: str, node: PrivateRabbitmq | None) -> None:
        self.url = url
        self.node = node

    def depth(self, queue: str) -> tuple[int, int] | None:
        """Return how many messages and consumers a queue of this test has; None where there is no such queue."""
        with channel_of(connect(self.url)) as channel:
            try:
                _name, messages, consumers = channel.queue_declare(topology.named(queue), passive=True)
            except amqp.NotFound:
                return None
            return messages, consumers

    def take(self, queue: str) -> Any:
        """Return the next message of a queue of this test, or None."""
        with channel_of(connect(self.url)) as channel:
            return channel.basic_get(topology.named(queue), no_ack=True)


@pytest.fixture(scope="session")
def broker_of_session() -> Iterator[Broker]:
    try:
        server_script()
    except RabbitmqError as missing:
        if url := os.environ.get("BROKER_URL"):
            yield Broker(url, None)
            return
        advice = f"{missing} Or set BROKER_URL to a broker that answers."
        if os.environ.get("CI"):
            pytest.fail(advice)
        pytest.skip(advice)
    with PrivateRabbitmq() as node:
        yield Broker(node.url, node)


@pytest.fixture
def broker(broker_of_session: Broker, settings: Any, database: None) -> Iterator[Broker]:
    """Point this process at the broker, at queues of this test's own, with the bench's subscribers."""
    found = broker_of_session
    if found.node is not None:
        found.node.start()
    settings.BROKER_URL = found.url
    settings.EVENTS_NAMESPACE = f"t{uuid4().hex[:8]}."
    settings.EVENTS_TRANSPORT = "shop.events.broker.CeleryTransport"
    transport.transport.cache_clear()
    bell_tower.install()
    with channel_of(connect()) as channel:
        topology.declare(channel)
    yield found
    throw_connection_away()
    transport.transport.cache_clear()
    bench.remove()
    if found.node is not None:
        found.node.resume()
        found.node.start()
    with channel_of(connect(found.url)) as channel:
        topology.delete(channel)
