"""The shop's processes over a test's databases and queues."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections

from local.processes import Process, python
from tests.driver.waiting import DEADLINE_SECONDS
from tests.process.broker import Broker


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
