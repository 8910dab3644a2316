"""Celery as the shop sets it up: how it comes back to a broker that was away, and what it says of a time limit."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from celery.beat import Scheduler
from celery.exceptions import SoftTimeLimitExceeded
from celery.worker.consumer import Consumer
from kombu import Connection
from kombu.utils import functional
from structlog.testing import capture_logs

from config.celery import RECONNECT_SECONDS, app
from local.processes import free_port

ATTEMPTS = 20


class EnoughError(Exception):
    """The test has seen enough attempts."""


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the list of how long was waited between attempts; the wait itself is skipped, and the last one raises."""
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if sum(waited) > ATTEMPTS * RECONNECT_SECONDS:
            raise EnoughError

    monkeypatch.setattr(functional, "sleep", sleep)
    return waited


def connect_as_worker(connection: Connection) -> None:
    worker: Any = SimpleNamespace(app=app, first_connection_attempt=False, broker_connection_retry_attempt=0)
    Consumer.ensure_connected(worker, connection)


def connect_as_beat(connection: Connection) -> None:
    scheduler: Any = Scheduler(app, lazy=True)
    scheduler.connection = connection
    scheduler._ensure_connected()


@pytest.mark.parametrize("connect", [connect_as_worker, connect_as_beat])
def test_a_broker_that_is_away_is_tried_every_two_seconds_and_never_more_slowly(connect, pauses, monkeypatch):
    connection = app.connection_for_write(f"amqp://guest:guest@127.0.0.1:{free_port()}//")
    tried_at = []
    establish = type(connection)._connection_factory

    def note_and_establish(self):
        tried_at.append(sum(pauses))
        return establish(self)

    monkeypatch.setattr(type(connection), "_connection_factory", note_and_establish)

    with pytest.raises(EnoughError):
        connect(connection)

    assert tried_at == [attempt * RECONNECT_SECONDS for attempt in range(ATTEMPTS + 1)]


@app.task(name="tests.runs_out_of_time")
def runs_out_of_time() -> None:
    raise SoftTimeLimitExceeded


def test_a_soft_time_limit_is_one_line_that_says_where_it_struck_and_no_traceback(caplog):
    with caplog.at_level(logging.INFO, "celery.app.trace"), capture_logs() as logs:
        runs_out_of_time.apply(throw=False)

    [line] = [line for line in logs if line["event"] == "task.out_of_time"]
    assert line["task"] == "tests.runs_out_of_time"
    assert line["where"][-1].startswith("tests/unit/config/test_celery.py:")
    assert line["where"][-1].endswith(" runs_out_of_time")
    [celerys] = [record for record in caplog.records if record.name == "celery.app.trace"]
    assert "raised expected" in celerys.getMessage()
    assert not celerys.exc_info
