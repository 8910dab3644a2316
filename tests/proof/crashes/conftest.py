"""The provider as a process of its own, so that the tests' process forks without it; and queues of a test's own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from shop import topology
from shop.events import transport
from shop.events.broker import connect
from tests.driver.provider import Provider
from tests.driver.provider_process import provider, sandbox_process
from tests.driver.rabbitmq import channel_of
from tests.process.broker import broker_of_session  # noqa: F401  a fixture
from tests.proof.crashes.over_rabbitmq import OverRabbitmq, let_go
from tests.proof.together import together

__all__ = ["provider", "sandbox_process", "together"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs RabbitMQ; each process of xdist that runs some has a broker of its own."""
    for item in items:
        if Path(__file__).parent in item.path.parents and "queues" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.rabbitmq)


@pytest.fixture(scope="session")
def rabbitmq(request: pytest.FixtureRequest) -> str:
    """Give the URL of a RabbitMQ: BROKER_URL, or else one of this run's own; without either, skip, or in CI fail."""
    url: str = os.environ.get("BROKER_URL") or request.getfixturevalue("broker_of_session").url
    return url


@pytest.fixture
def queues(rabbitmq: str, settings: Any) -> Iterator[None]:
    """Send events over RabbitMQ, through queues of this test's own."""
    settings.BROKER_URL = rabbitmq
    settings.EVENTS_NAMESPACE = f"t{uuid4().hex[:8]}."
    settings.EVENTS_TRANSPORT = "shop.events.broker.CeleryTransport"
    transport.transport.cache_clear()
    with channel_of(connect()) as channel:
        topology.declare(channel)
    yield
    let_go()
    transport.transport.cache_clear()
    with channel_of(connect()) as channel:
        topology.delete(channel)


@pytest.fixture
def journey(
    queues: None, provider: Provider, drain: Callable[[], None], settings: Any
) -> Callable[[type[OverRabbitmq]], OverRabbitmq]:
    """Return a function that makes a journey over these queues."""

    def make(kind: type[OverRabbitmq]) -> OverRabbitmq:
        settings.SANDBOX_CARRIER_TRANSIT_SECONDS = kind.transit_seconds
        return kind(provider, drain)

    return make
