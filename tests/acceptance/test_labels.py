"""No label, name or file grows with what strangers send, or with how often processes end: at a real web server."""

from __future__ import annotations

import http.client
import os
import random
import signal
import string
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from local.processes import free_port
from tests.acceptance.test_probes import a_worker_of
from tests.driver.processes import Shop, wait_until

PATHS = (
    "/api/v1/products",
    "/api/v1/nothing",
    "/webhooks/stripe",
    "/_allauth/app/v1/auth/login",
    "/admin/",
    "/nothing",
)
GARBAGE = 12


def word(length: int = 12) -> str:
    return "".join(random.choices(string.ascii_letters, k=length))


def strange_requests() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield a request for each thing that a stranger can make up, on each kind of address."""
    for path in PATHS:
        yield word().upper(), path, {}
        yield "GET", f"{path}/{word()}?{word()}={word()}", {}
        yield "GET", path, {"Host": f"{word()}.example"}
        yield "GET", path, {"Accept": f"{word()}/{word()}", "Accept-Language": word(2), "X-Requested-With": word()}
        yield "POST", path, {"Content-Type": f"{word()}/{word()}; charset={word()}", "Content-Length": "0"}
        yield "GET", path, {"Authorization": f"{word()} {word()}", "Cookie": f"{word()}={word()}"}
        yield "GET", path, {"X-Request-ID": word(40), "traceparent": word(55), "X-Forwarded-For": word()}
        yield "GET", path, {"X-Forwarded-Proto": word(), "X-HTTP-Method-Override": word()}


def send(shop: Shop, method: str, path: str, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", shop.port, timeout=30)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def samples(url: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = requests.get(f"{url}/metrics", timeout=30).text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.timeout(300)
def test_garbage_makes_no_series(start_shop: Callable[..., Shop], tmp_path: Path):
    (tmp_path / "metrics").mkdir()
    probes = f"http://127.0.0.1:{(port := free_port())}"
    shop = start_shop(PROMETHEUS_MULTIPROC_DIR=str(tmp_path / "metrics"), HEALTH_PORT=str(port))
    shop.start_web(workers=1)
    for _each in range(2):  # what is asked for once is there: an address, a method that is none
        for request in strange_requests():
            send(shop, *request)
    before, files = samples(probes), sorted(path.name for path in (tmp_path / "metrics").iterdir())

    statuses = [send(shop, *request) for _each in range(GARBAGE) for request in strange_requests()]

    after = samples(probes)
    assert set(after) == set(before), shop.tails()
    assert len(before) > 100
    counted = ("django_http_requests_total_by_method_total", frozenset({("method", "<invalid method>")}))
    assert after[counted] - before[counted] == GARBAGE * len(PATHS)
    assert sorted(path.name for path in (tmp_path / "metrics").iterdir()) == files
    assert {status for status in statuses if status >= 500} == set()


def has_no_file(folder: Path, process: int) -> bool:
    return not list(folder.glob(f"*_{process}.db"))


@pytest.mark.timeout(300)
def test_processes_that_end_leave_their_counts_and_no_files(start_shop: Callable[..., Shop], tmp_path: Path):
    folder = tmp_path / "metrics"
    folder.mkdir()
    shop = start_shop(PROMETHEUS_MULTIPROC_DIR=str(folder))
    shop.start_web(workers=1)
    counted = ("django_http_responses_total_by_status_view_method_total",)
    kept = []

    for _each in range(3):
        for _other in range(5):
            assert send(shop, "GET", "/problems/not_found", {}) == 200
        gone = a_worker_of(shop)
        os.kill(gone, signal.SIGKILL)
        wait_until(partial(has_no_file, folder, gone), f"{gone} leaves no file", shop)
        found = samples(shop.url)
        kept.append(
            sum(value for (name, labels), value in found.items() if name in counted and ("view", "problem") in labels)
        )

    assert kept == [5, 10, 15], shop.tails()
