"""Orders through PgBouncer in transaction mode: each transaction on another session, none that remembers the one before."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connections

from orders.models import Order
from tests.acceptance.pgbouncer import SERVER_CONNECTIONS, pgbouncer
from tests.driver.factories import ProductFactory, UserFactory
from tests.driver.orders import levels
from tests.driver.processes import Shop, database_urls, wait_until
from tests.driver.provider import Provider
from tests.driver.shopper import id_in
from tests.driver.tokens import token_of

ORDERS = 24


@pytest.mark.timeout(300)
@pytest.mark.parametrize("pool_max", ["0", "4"], ids=["without-a-pool", "with-a-pool-of-4"])
def test_orders_are_placed_paid_shipped_and_refused_through_pgbouncer(
    start_shop: Callable[..., Shop], sandbox: Provider, pool_max: str
):
    ProductFactory(sku="MUG", stock=ORDERS)
    ProductFactory(sku="GONE", stock=0)
    tokens = [token_of(user) for user in UserFactory.create_batch(ORDERS)]
    # Not below pytest's own folder, which no other user may enter: PgBouncer refuses to run as root.
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as folder, pgbouncer(Path(folder)) as port:
        urls = {
            name: url.replace(f":{connections['default'].settings_dict['PORT']}/", f":{port}/")
            for name, url in database_urls().items()
        }
        shop = start_shop(
            **urls, DATABASE_SEARCH_PATH="role", DATABASE_POOL_MAX=pool_max, DATABASE_POOL_WAIT_SECONDS="30"
        )
        shop.start_web(threads=8, workers=2)
        shop.run("background", "manage.py", "run_background")

        with ThreadPoolExecutor(ORDERS) as buyers:
            answers = list(buyers.map(lambda token: shop.place(token, sku="MUG"), tokens))
        refused = shop.place(tokens[0], sku="GONE")

        assert Counter(answer.status_code for answer in answers) == {201: ORDERS}, shop.tails()
        assert (refused.status_code, refused.json()["code"]) == (409, "insufficient_stock")
        placed = [id_in(answer) for answer in answers]
        wait_until(
            lambda: set(Order.objects.filter(pk__in=placed).values_list("status", flat=True)) == {"DELIVERED"},
            "every order is delivered",
            shop,
        )
        assert sessions_through() <= SERVER_CONNECTIONS * len(urls)
        shop.stop()

    assert levels() == (0, 0, ORDERS)
    assert sandbox.money(placed[0]) == (1, 1250)


def sessions_through() -> int:
    """Return how many sessions the shop's roles have in PostgreSQL, whatever asked PgBouncer for them."""
    found = 0
    for alias in connections:
        with connections[alias].cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name IN ('shop-web', 'shop-background')"
            )
            found += cursor.fetchone()[0]
    return found
