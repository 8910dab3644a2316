"""A sandbox for each test, Stripe's own SDK as its client, and an endpoint that receives its webhooks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.stripe import Sandbox
from tests.unit.local.stripe.clients import SESSIONS, Control, Receiver, Shop


@pytest.fixture(autouse=True)
def sessions_closed() -> Iterator[None]:
    """Close the connections of the test's SDK clients."""
    yield
    while SESSIONS:
        SESSIONS.pop().close()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def control(sandbox: Sandbox) -> Control:
    return Control(sandbox.url)


@pytest.fixture
def shop(sandbox: Sandbox) -> Shop:
    return Shop(sandbox.url)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    yield running
    running.stop()
