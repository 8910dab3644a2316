"""Two hundred buyers, one unit: over real connections to a real web server, with a real card provider behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from orders.models import Order
from tests.driver.factories import ProductFactory, UserFactory
from tests.driver.orders import levels
from tests.driver.processes import Shop
from tests.driver.provider import Provider
from tests.driver.shop import violations
from tests.driver.shopper import id_in
from tests.driver.tokens import token_of

BUYERS = 200


@pytest.mark.timeout(400)
@pytest.mark.parametrize("together", ["false", "true"])
def test_of_two_hundred_buyers_of_one_unit_one_is_charged_and_the_others_are_told(
    start_shop: Callable[..., Shop], sandbox: Provider, drain: Callable[[], None], together: str
):
    ProductFactory(sku="LAST", stock=1)
    tokens = [token_of(user) for user in UserFactory.create_batch(BUYERS)]
    shop = start_shop(COALESCE=together)
    shop.start_web()
    start = Barrier(BUYERS)

    def buy(token: str):
        start.wait()
        return shop.place(token, sku="LAST")

    with ThreadPoolExecutor(BUYERS) as pool:
        answers = list(pool.map(buy, tokens))

    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: BUYERS - 1}, shop.tails()
    refused = [answer.json() for answer in answers if answer.status_code == 409]
    assert {(body["code"], body["facts"]["sku"], body["facts"]["order_status"]) for body in refused} == {
        ("insufficient_stock", "LAST", "CANCELED")
    }
    assert Counter(Order.objects.values_list("status", flat=True)) == {"CONFIRMED": 1, "CANCELED": BUYERS - 1}
    (winner,) = (id_in(answer) for answer in answers if answer.status_code == 201)
    books = sandbox.control("GET", "ledger")
    assert (books["totals"]["eur"]["captures"], books["totals"]["eur"]["payment_intents"]) == (1, 1)
    assert (sandbox.money(winner), levels("LAST")) == ((1, 1250), (0, 0, 1))
    drain()
    assert violations() == []
