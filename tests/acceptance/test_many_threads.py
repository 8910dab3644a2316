"""A hundred buyers at once, a slow provider, one web process: each has a thread, none a connection of their own."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from tests.driver.factories import ProductFactory, UserFactory
from tests.driver.processes import Shop
from tests.driver.provider import Provider
from tests.driver.tokens import token_of

BUYERS = 96
CONNECTIONS = 16
# The process has one more for each database, for probes; it is opened when one asks.
PROBES = 1


@pytest.mark.timeout(300)
def test_as_many_buyers_as_threads_live_on_sixteen_connections(start_shop: Callable[..., Shop], sandbox: Provider):
    ProductFactory(sku="MUG", stock=BUYERS)
    tokens = [token_of(user) for user in UserFactory.create_batch(BUYERS)]
    shop = start_shop(
        DATABASE_POOL_MAX=str(CONNECTIONS),
        # What is tested is how many connections there are, not how long this machine takes for a hundred orders.
        DATABASE_POOL_WAIT_SECONDS="60",
        STRIPE_TIMEOUT_SECONDS="60",
        SAGA_LEASE_SECONDS="120",
    )
    shop.start_web(threads=BUYERS, workers=1)
    sandbox.fail("late", "*", delay_seconds=0.3, times=None)
    most, over = [0], threading.Event()

    def count() -> None:
        while not over.wait(0.02):
            most[0] = max(most[0], sessions())
        connections.close_all()

    counter = threading.Thread(target=count)
    counter.start()
    with ThreadPoolExecutor(BUYERS) as buyers:
        answers = list(buyers.map(lambda token: shop.place(token, sku="MUG"), tokens))
    over.set()
    counter.join()

    assert Counter(answer.status_code for answer in answers) == {201: BUYERS}, shop.tails()
    assert 2 <= most[0] <= (CONNECTIONS + PROBES) * len(connections.settings)


def sessions() -> int:
    """Return how many sessions the web server has."""
    found = 0
    for alias in connections:
        with connections[alias].cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name = 'shop-web'"
            )
            found += cursor.fetchone()[0]
    return found
