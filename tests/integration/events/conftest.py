"""The bench's event, and threads with connections of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections

from shop.events import relay
from shop.events.event import Envelope
from shop.events.port import TransportUnavailable
from tests.integration.events import bench

DEADLINE_SECONDS = 60


@pytest.fixture(autouse=True)
def _bench(database: None) -> Iterator[None]:
    bench.install()
    yield
    bench.remove()


@pytest.fixture
def bell_book() -> str:
    """Have a subscriber that leaves one effect per event."""
    return bench.hear(lambda event: bench.apply(event, "notifications.write_down"), name="write_down")


@pytest.fixture
def background() -> Iterator[Callable[..., Any]]:
    """Return a function that starts another in a thread, on connections of its own."""
    with ThreadPoolExecutor(max_workers=20) as threads:

        def start(function: Callable[..., Any], *arguments: Any) -> Any:
            def run() -> Any:
                try:
                    return function(*arguments)
                finally:
                    connections.close_all()

            return threads.submit(run)

        yield start


class Wire:
    """A transport that writes down what it is given, refuses what it is told to, and calls `before` first."""

    def __init__(self) -> None:
        self.sent: list[Envelope] = []
        self.refused: dict[Any, str] = {}
        self.before: Callable[[], None] = lambda: None
        self.away = False

    def send(self, envelopes: Any) -> list[str]:
        self.before()
        if self.away:
            raise TransportUnavailable("the test pulled the plug")
        self.sent += [envelope for envelope in envelopes if envelope.aggregate_id not in self.refused]
        return [self.refused.get(envelope.aggregate_id, "") for envelope in envelopes]

    def counts(self, bell: Any) -> list[int]:
        return [envelope.aggregate_version for envelope in self.sent if envelope.aggregate_id == bell]


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    """Put a double in the transport's place."""
    double = Wire()
    monkeypatch.setattr(relay, "transport", lambda: double)
    return double
