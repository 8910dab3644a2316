"""A RabbitMQ of these tests' own that they may kill, and the shop's processes over it.

Each test has queues of its own, by EVENTS_NAMESPACE. Nothing sleeps: `until` asks for a condition, with a deadline.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import amqp
import pytest
from django.db import connections

from local.processes import Process, python
from local.rabbitmq import RabbitmqError
from shop import topology
from shop.events import relay, transport
from shop.events.broker import connect
from shop.events.port import TransportUnavailable
from tests.integration.events import bench
from tests.process import bell_tower
from tests.rabbitmq import PrivateRabbitmq, server_script

DEADLINE_SECONDS = 120


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run all of these in one process of xdist: they share the broker, and each other's processor time."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            for mark in (pytest.mark.rabbitmq, pytest.mark.xdist_group("rabbitmq"), pytest.mark.timeout(300)):
                item.add_marker(mark)


def until(condition: Callable[[], Any], what: str, *, seconds: float = DEADLINE_SECONDS, process: Any = None) -> Any:
    """Ask until the answer is yes, and return it."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        log = f"; its log ends:\n{process.tail()}" if process else ""
        assert not process or process.is_running(), f"{what}: its process has ended{log}"
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}{log}"
        time.sleep(0.02)
    return answer


class Broker:
    """The broker of these tests; `node` is None where it is somebody else's, and must not be killed."""

    def __init__(self, url: str, node: PrivateRabbitmq | None) -> None:
        self.url = url
        self.node = node

    def depth(self, queue: str) -> tuple[int, int] | None:
        """Return how many messages and consumers a queue of this test has; None where there is no such queue."""
        with connect(self.url) as connection, connection.channel() as channel:
            try:
                found = channel.queue_declare(topology.named(queue), passive=True)
            except amqp.NotFound:
                return None
            return found.message_count, found.consumer_count

    def take(self, queue: str) -> Any:
        """Return the next message of a queue of this test, or None."""
        with connect(self.url) as connection, connection.channel() as channel:
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
    with connect() as connection, connection.channel() as channel:
        topology.declare(channel)
    yield found
    transport.transport()._throw_away()
    transport.transport.cache_clear()
    bench.remove()
    if found.node is not None:
        found.node.resume()
        found.node.start()
    with connect(found.url) as connection, connection.channel() as channel:
        topology.delete(channel)


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


def environment_of(settings: Any) -> dict[str, str]:
    """Return what a process needs to work on this test's databases and queues."""
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.process.settings",
        "BROKER_URL": settings.BROKER_URL,
        "EVENTS_NAMESPACE": settings.EVENTS_NAMESPACE,
    }
    for alias in connections:
        where = connections[alias].settings_dict
        name = "DATABASE_URL" if alias == "default" else f"{alias.upper()}_DATABASE_URL"
        login = f"{where['USER']}:{where['PASSWORD']}".rstrip(":")
        environment[name] = f"postgresql://{login}@{where['HOST']}:{where['PORT'] or 5432}/{where['NAME']}"
    return environment


@pytest.fixture
def start(broker: Broker, settings: Any, tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Return a function that starts a process of the shop by the arguments of its Python."""
    started: list[Process] = []

    def begin(name: str, *arguments: str, **environment: str) -> Process:
        process = Process(
            f"{name}{len(started)}",
            python(*arguments),
            environment=environment_of(settings) | environment,
            log=tmp_path / f"{name}{len(started)}.log",
        )
        started.append(process)
        process.start()
        return process

    yield begin
    for process in started:
        process.kill()


@pytest.fixture
def worker(start: Callable[..., Process], broker: Broker) -> Callable[..., Process]:
    """Return a function that starts a Celery worker and waits until it consumes."""

    def begin(**environment: str) -> Process:
        consumers = broker.depth("notifications.events")[1]
        process = start(
            "worker", "-m", "celery", "-A", "config", "worker", "--concurrency=2", "--loglevel=INFO",
            f"--hostname=w{uuid4().hex[:6]}@localhost",
            "--without-heartbeat", "--without-gossip", "--without-mingle", **environment,
        )  # fmt: skip
        process.wait_until(lambda: broker.depth("notifications.events")[1] > consumers, seconds=DEADLINE_SECONDS)
        return process

    return begin


@pytest.fixture
def beat(start: Callable[..., Process], tmp_path: Path) -> Callable[[], Process]:
    """Return a function that starts beat."""
    schedule = f"--schedule={tmp_path / 'schedule'}"
    return lambda: start("beat", "-m", "celery", "-A", "config", "beat", "--loglevel=INFO", schedule)


@pytest.fixture
def publisher() -> Iterator[Callable[[], None]]:
    """Return a function that has a relay publish in a thread until the test ends, whatever the broker does."""
    ended = []

    def run() -> int:
        published = failures = 0
        try:
            while not ended:
                try:
                    published += relay.drain("orders")
                except TransportUnavailable:
                    failures += 1
        finally:
            transport.transport()._throw_away()
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
