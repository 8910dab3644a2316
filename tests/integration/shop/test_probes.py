"""The port of the probes: it answers whatever the requests and the database do, and never waits for long."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from django.db import connections

from shop import transactions
from shop.observability import metrics
from shop.rest import health, probes
from tests.driver.stopwatch import Stopwatch
from tests.proof.processes.proxy import Proxy


@pytest.fixture(autouse=True)
def asked_afresh(monkeypatch: pytest.MonkeyPatch, database: None) -> Iterator[None]:
    monkeypatch.setattr(health, "CACHE_SECONDS", 0.0)
    monkeypatch.setattr(metrics, "database_collector", metrics.DatabaseCollector())
    health.readiness_cache.clear()
    health._migrated.clear()
    yield
    health.readiness_cache.clear()


@pytest.fixture
def url() -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = probes.serve(listener)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def to_database(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A network to the database that can be made to fail, for connections that are opened from now on."""
    port = int(connections.settings["default"]["PORT"] or 5432)
    proxy = Proxy(lambda: port)
    with monkeypatch.context() as rerouted:
        rerouted.setitem(connections.settings["default"], "HOST", "127.0.0.1")
        rerouted.setitem(connections.settings["default"], "PORT", proxy.port)
        yield proxy
    proxy.close()


def ask(url: str) -> tuple[requests.Response, float]:
    with Stopwatch() as watch:
        return requests.get(url, timeout=60), watch.seconds


def test_the_three_answers_are_those_of_the_requests_port(url: str, anonymous: Any):
    for path in ("/health", "/ready"):
        apart, same = requests.get(url + path, timeout=30), anonymous.call("get", path)
        assert (apart.status_code, apart.json()) == (same.status_code, same.json())
        assert apart.status_code == 200
    figures = requests.get(f"{url}/metrics", timeout=30)
    assert figures.status_code == 200
    assert 'shop_database_readable{context="orders"} 1.0' in figures.text
    assert requests.head(f"{url}/health", timeout=30).headers["Content-Length"] == str(len('{"status": "ok"}'))
    assert requests.get(f"{url}/admin/", timeout=30).json()["code"] == "not_found"


def test_a_database_that_hangs_costs_answers_and_never_the_process(
    url: str, to_database: Proxy, monkeypatch: pytest.MonkeyPatch
):
    assert ask(f"{url}/ready")[0].status_code == 200
    monkeypatch.setattr(health, "READY_LIMIT_SECONDS", 1.0)
    monkeypatch.setattr(metrics, "SCRAPE_LIMIT_SECONDS", 6.0)
    monkeypatch.setattr(metrics, "ONE_OF_SEVERAL_SECONDS", 3.0)

    to_database.freeze()
    ready, ready_seconds = ask(f"{url}/ready")
    figures, figures_seconds = ask(f"{url}/metrics")
    alive, alive_seconds = ask(f"{url}/health")

    assert (ready.status_code, alive.status_code, figures.status_code) == (503, 200, 200)
    assert ready.json()["facts"]["checks"]["database:default"] == "Unanswered"
    # With a database per context this one's goes on answering.
    hangs = transactions.alias_for("orders") == "default"
    assert f'shop_database_readable{{context="orders"}} {0.0 if hangs else 1.0}' in figures.text
    # What hangs costs its limit and no more, also on a machine that is slow.
    assert (ready_seconds < 4, figures_seconds < 9) == (True, True)
    assert alive_seconds < 0.5
    to_database.thaw()
    monkeypatch.setattr(health, "READY_LIMIT_SECONDS", 60.0)
    until = time.monotonic() + 60
    while ask(f"{url}/ready")[0].status_code != 200:
        assert time.monotonic() < until


def test_a_database_that_refuses_is_told_at_once(url: str, to_database: Proxy):
    to_database.refuse()

    ready, seconds = ask(f"{url}/ready")

    assert (ready.status_code, ready.json()["detail"]) == (503, "failing: database:default")
    assert seconds < 2


def test_a_caller_that_says_nothing_keeps_no_other_from_its_answer(url: str):
    address = urlsplit(url)
    with socket.create_connection((address.hostname or "", address.port or 0)):
        assert json.loads(requests.get(f"{url}/health", timeout=30).text) == {"status": "ok"}
