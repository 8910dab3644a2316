"""A real web server whose every thread waits, or whose process dies, still says that it lives."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import requests

from local.ports import free_port
from tests.driver.factories import ProductFactory, UserFactory
from tests.driver.processes import Shop
from tests.driver.provider import Provider
from tests.driver.stopwatch import Stopwatch
from tests.driver.tokens import token_of


def seconds_of(url: str) -> float:
    with Stopwatch() as watch:
        assert requests.get(url, timeout=60).status_code == 200
        return watch.seconds


def answers_soon(url: str) -> bool:
    try:
        return requests.get(url, timeout=0.5).ok
    except requests.Timeout:
        return False


def test_probes_are_answered_while_every_thread_waits_and_while_a_process_is_replaced(
    start_shop: Callable[..., Shop], sandbox: Provider
):
    ProductFactory(sku="MUG", stock=10)
    tokens = [token_of(user) for user in UserFactory.create_batch(4)]
    port = free_port()
    shop = start_shop(HEALTH_PORT=str(port), STRIPE_TIMEOUT_SECONDS="60", SAGA_LEASE_SECONDS="120")
    shop.start_web(threads=1, workers=2)
    probes = f"http://127.0.0.1:{port}"
    sandbox.fail("late", "/v1/payment_intents", delay_seconds=12, times=2)

    with ThreadPoolExecutor(4) as buyers:
        orders = [buyers.submit(shop.place, token) for token in tokens[:2]]
        while answers_soon(f"{shop.url}/health"):
            pass
        waits = [seconds_of(f"{probes}/{path}") for path in ("health", "ready", "metrics") for _time in range(3)]
        assert [order.result().status_code for order in orders] == [201, 201], shop.tails()

    assert max(waits) < 2, waits
    os.kill(a_worker_of(shop), signal.SIGKILL)
    assert max(seconds_of(f"{probes}/health") for _time in range(20)) < 2


def a_worker_of(shop: Shop) -> int:
    """Return a process of gunicorn's that another one, its master, has started."""
    ours: dict[int, int] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if f"127.0.0.1:{shop.port}".encode() in status.with_name("cmdline").read_bytes():
                ours[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
    return next(pid for pid, parent in ours.items() if parent in ours)
