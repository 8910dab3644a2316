"""A database that hangs, then one that refuses: told at once, probes undisturbed, orders again within seconds after it."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import requests
from django.db import connections

from local.ports import free_port
from tests.driver.factories import ProductFactory, UserFactory
from tests.driver.processes import Shop, database_urls
from tests.driver.stopwatch import Stopwatch
from tests.driver.tokens import token_of
from tests.proof.processes.proxy import Proxy

OUTAGE_SECONDS = 8


@pytest.mark.timeout(300)
def test_a_web_server_lives_through_a_database_that_hangs_and_one_that_is_away(start_shop: Callable[..., Shop]):
    ProductFactory(sku="MUG", stock=10)
    token = token_of(UserFactory())
    port = int(connections["default"].settings_dict["PORT"])
    proxy, probes = Proxy(lambda: port), free_port()
    try:
        shop = start_shop(
            **{name: url.replace(f":{port}/", f":{proxy.port}/") for name, url in database_urls().items()},
            HEALTH_PORT=str(probes),
            DATABASE_POOL_MAX="4",
            DATABASE_STATEMENT_TIMEOUT_SECONDS="2",
            DATABASE_POOL_WAIT_SECONDS="1",
        )
        shop.start_web(threads=4, workers=1)
        assert shop.place(token, sku="MUG").status_code == 201

        proxy.freeze()
        answer, seconds = timed(lambda: shop.place(token, sku="MUG"))
        assert (answer.status_code, answer.json()["code"]) in {(503, "database_unavailable"), (503, "busy")}
        assert seconds < 15
        assert_seen(probes)
        proxy.thaw()
        assert seconds_until_an_order_is_taken(shop, token) < 15

        proxy.refuse()
        until = time.monotonic() + OUTAGE_SECONDS
        while time.monotonic() < until:
            answer, seconds = timed(lambda: shop.place(token, sku="MUG"))
            assert answer.status_code == 503
            assert seconds < 5
        assert_seen(probes)
        proxy.heal()
        assert seconds_until_an_order_is_taken(shop, token) < 15
        shop.stop()
    finally:
        proxy.close()


def assert_seen(port: int) -> None:
    """See that the process is alive, not ready, and measurable, each within the time that is waited for it."""
    for path, status, limit in (("health", 200, 1.0), ("ready", 503, 4.0), ("metrics", 200, 10.0)):
        answer, seconds = timed(lambda: requests.get(f"http://127.0.0.1:{port}/{path}", timeout=30))  # noqa: B023
        assert (path, answer.status_code) == (path, status)
        assert seconds < limit, path
    assert 'shop_database_readable{context="orders"} 0.0' in answer.text


def timed(call: Callable[[], requests.Response]) -> tuple[requests.Response, float]:
    with Stopwatch() as watch:
        return call(), watch.seconds


def seconds_until_an_order_is_taken(shop: Shop, token: str) -> float:
    with Stopwatch() as watch:
        while (answer := shop.place(token, sku="MUG")).status_code != 201:
            assert answer.status_code == 503, answer.text
            assert watch.seconds < 60, shop.tails()
        return watch.seconds
