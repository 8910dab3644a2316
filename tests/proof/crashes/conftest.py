"""The provider as a process of its own, so that the tests' process forks without it; and queues of a test's own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from payments.gateways.stripe import adapter as stripe_adapter
from shop import coalescing, topology
from shop.events import transport
from shop.events.broker import connect
from tests.process.conftest import broker_of_session  # noqa: F401  a fixture
from tests.proof.crashes.over_rabbitmq import OverRabbitmq, let_go
from tests.provider import SECRET, Provider, close_provider_connection


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what needs RabbitMQ in one process of xdist, which has it to itself where it is one of this run's own."""
    for item in items:
        if Path(__file__).parent in item.path.parents and "queues" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.rabbitmq)
            item.add_marker(pytest.mark.xdist_group("rabbitmq"))


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[str]:
    """Start the sandbox; give its address."""
    command = [sys.executable, "-m", "local.stripe", "--port", "0", "--secret-key", "sk_test_sandbox"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        yield ready.split()[-1]
        process.terminate()


@pytest.fixture
def provider(sandbox_process: str, database: None, settings: Any) -> Iterator[Provider]:
    settings.STRIPE_API_BASE = sandbox_process
    settings.BREAKER_MINIMUM_CALLS = 1000
    settings.STRIPE_WEBHOOK_SECRETS = [SECRET]
    running = Provider(sandbox_process)
    yield running
    running.close()
    close_provider_connection()
    stripe_adapter.BREAKER.reset()


@pytest.fixture
def together(database: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have even a lone order's stock be written by the thread that writes for many."""
    settings.COALESCE = True
    monkeypatch.setattr(coalescing.Batch, "alone_if_nobody_else_asks", False)
    yield
    coalescing.stop()


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
    with connect() as connection, connection.channel() as channel:
        topology.declare(channel)
    yield
    let_go()
    transport.transport.cache_clear()
    with connect() as connection, connection.channel() as channel:
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
