"""Nobody holds most of a product without paying; whoever pays is let in."""

from __future__ import annotations

from typing import Any

import pytest

from orders.sagas.entry import resume
from shop.rest.problem import known_problems
from tests.driver.factories import OrderBodyFactory, ProductFactory
from tests.driver.orders import levels, pass_deadline
from tests.driver.shopper import Shopper, id_in
from tests.integration.orders.held_unpaid.holding import MOST, STOCK, code_of, hold, recorded


def test_a_hold_of_nearly_everything_is_refused_and_leaves_nothing(vase: str, shopper: Shopper):
    before = recorded()

    answer = hold(shopper, 150)

    body = answer.json()
    assert (answer.status_code, body["code"]) == (409, "too_much_held_unpaid")
    assert body["facts"] == {
        "sku": "VASE",
        "wanted": 150,
        "rule": "customer",
        "held": 0,
        "allowed": MOST,
        "open_orders": [],
    }
    assert "send a payment method" in body["title"]
    assert (recorded(), levels("VASE")) == (before, (STOCK, 0, 0))
    assert "too_much_held_unpaid" in known_problems()


@pytest.mark.parametrize(("quantity", "expected"), [(MOST, "201"), (MOST + 1, "too_much_held_unpaid")])
def test_a_share_of_what_is_free_is_held(quantity: int, expected: str, vase: str, shopper: Shopper):
    assert code_of(hold(shopper, quantity)) == expected


@pytest.mark.parametrize(("quantity", "expected"), [(10, "201"), (11, "too_much_held_unpaid")])
def test_of_little_stock_so_many_pieces_are_held(quantity: int, expected: str, shopper: Shopper):
    ProductFactory(sku="RARE", stock=12)

    assert code_of(hold(shopper, quantity, sku="RARE")) == expected


def test_what_several_orders_hold_adds_up(vase: str, shopper: Shopper):
    held = [code_of(hold(shopper, 10)) for _each in range(4)]

    assert held == ["201", "201", "201", "too_much_held_unpaid"]
    assert levels("VASE") == (STOCK - 30, 30, 0)


def test_what_several_lines_hold_adds_up(vase: str, shopper: Shopper):
    body: dict[str, Any] = OrderBodyFactory(lines=[{"sku": "VASE", "quantity": 16}] * 2)
    del body["payment_method"]

    answer = shopper.post("orders", body)

    assert (answer.json()["facts"]["sku"], answer.json()["facts"]["wanted"]) == ("VASE", 32)


def test_each_product_has_a_limit_of_its_own(vase: str, shopper: Shopper):
    ProductFactory(sku="BOWL", stock=STOCK)

    assert [code_of(hold(shopper, MOST, sku=sku)) for sku in ("VASE", "BOWL")] == ["201", "201"]


def test_an_order_that_pays_is_let_in_whatever_it_takes(vase: str, shopper: Shopper):
    answer = shopper.place(sku="VASE", quantity=150)

    assert (answer.status_code, answer.json()["status"]) == (201, "CONFIRMED")
    assert shopper.place(sku="VASE", quantity=6).json()["status"] == "CONFIRMED"


def test_what_is_paid_is_held_no_more(vase: str, shopper: Shopper):
    first = id_in(hold(shopper, MOST))
    assert code_of(hold(shopper, MOST)) == "too_much_held_unpaid"

    assert shopper.pay(first, "pm_card_visa").status_code == 201

    assert hold(shopper, 20).status_code == 201


def test_canceling_makes_room(vase: str, shopper: Shopper):
    first = id_in(hold(shopper, MOST))
    shopper.cancel(first)

    assert hold(shopper, MOST).status_code == 201


def test_an_order_that_was_never_paid_makes_room_when_its_time_is_over(vase: str, shopper: Shopper):
    first = id_in(hold(shopper, MOST))
    pass_deadline(first)
    resume(order_id=first)

    assert hold(shopper, MOST).status_code == 201
