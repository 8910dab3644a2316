"""Two shops on one broker: what one tells its workers, the other's do not hear."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import amqp
import pytest

from local.processes import ROOT, Process, python
from shop import topology
from shop.events.broker import connect
from tests.driver.rabbitmq import channel_of
from tests.driver.waiting import until
from tests.process.starting import environment_of


class Neighbor:
    """One of two shops on the broker: its worker, and what staff type."""

    # Both workers have the same name. Who asks it by its name has the answer at once; who asks all waits for more.
    WORKER = "worker@shop"

    def __init__(self, namespace: str, environment: dict[str, str], start: Callable[..., Process]) -> None:
        self.namespace = namespace
        self.environment = environment | {"EVENTS_NAMESPACE": namespace}
        self.worker = start(
            "worker", "-m", "celery", "-A", "config", "worker", "--concurrency=1", "--loglevel=INFO",
            f"--hostname={self.WORKER}", "--without-heartbeat", "--without-gossip", "--without-mingle",
            EVENTS_NAMESPACE=namespace,
        )  # fmt: skip

    def await_worker(self) -> None:
        until(self.is_answered, "the worker answers", process=self.worker)

    def is_answered(self) -> bool:
        return "pong" in self.celery("inspect", "ping", f"--destination={self.WORKER}", "--timeout=10")

    def celery(self, *arguments: str) -> str:
        done = subprocess.run(
            python("-m", "celery", "-A", "config", *arguments),
            cwd=ROOT,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout + done.stderr


@pytest.fixture
def neighbors(broker: Any, start: Callable[..., Process], settings: Any) -> Iterator[tuple[Neighbor, Neighbor]]:
    environment = environment_of(settings)
    names = settings.EVENTS_NAMESPACE, f"n{uuid4().hex[:8]}."
    settings.EVENTS_NAMESPACE = names[1]
    with channel_of(connect()) as channel:
        topology.declare(channel)
    ours, theirs = (Neighbor(name, environment, start) for name in names)
    for neighbor in (ours, theirs):
        neighbor.await_worker()
    yield ours, theirs
    settings.EVENTS_NAMESPACE = names[1]
    with channel_of(connect()) as channel:
        topology.delete(channel)
    settings.EVENTS_NAMESPACE = names[0]


def test_a_shutdown_of_one_shops_workers_leaves_the_others(neighbors: tuple[Neighbor, Neighbor]):
    ours, theirs = neighbors

    ours.celery("control", "shutdown")

    until(lambda: not ours.worker.is_running(), "the worker has ended", process=ours.worker)
    # What a worker is told it hears in order: had it been told to end, it would not answer what comes later.
    assert theirs.is_answered()
    assert theirs.worker.is_running()
    assert "pong" not in ours.celery("inspect", "ping", "--timeout=10")


def test_no_exchange_of_celery_is_without_the_namespace(broker: Any, start: Callable[..., Process], settings: Any):
    if broker.node is None:
        pytest.skip("somebody else's broker may have had other shops")
    ours = Neighbor(settings.EVENTS_NAMESPACE, environment_of(settings), start)
    ours.await_worker()

    exchanges = {name: exists(name) for name in ("celery.pidbox", "reply.celery.pidbox", "celeryev")}

    assert exchanges == dict.fromkeys(exchanges, False)
    assert exists(f"{ours.namespace}celery.pidbox")


def exists(exchange: str) -> bool:
    with channel_of(connect()) as channel:
        try:
            channel.exchange_declare(exchange, "fanout", passive=True)
        except amqp.NotFound:
            return False
        return True
