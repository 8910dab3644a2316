"""The Idempotency-Key of an order: the same key gives the same answer, and places one order."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import IntegrityError

from inventory import api as inventory
from orders.models import Order
from shop.money import Money
from tests.driver.factories import OrderBodyFactory, UserFactory
from tests.driver.orders import levels, placed
from tests.driver.provider import Provider, in_threads
from tests.driver.shopper import Shopper, id_in


@pytest.mark.parametrize("path", ["orders", "orders/{}/payment", "orders/{}/cancel"])
def test_every_unsafe_call_needs_a_key(path: str, shopper: Shopper):
    order_id = placed(customer_id=shopper.user.pk)

    answer = shopper.post(path.format(order_id), OrderBodyFactory(), **{"Idempotency-Key": ""})

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 201),
        ({"payment_method": "pm_card_chargeDeclinedStolenCard"}, 402),
        ({"quantity": 11}, 409),
        ({"expected_total": {"amount_minor": 1, "currency": "EUR"}}, 409),
    ],
)
def test_the_same_key_gives_the_same_answer_to_the_byte(
    body: dict[str, Any], status: int, shopper: Shopper, sandbox: Provider
):
    key = str(uuid.uuid4())
    first = shopper.place(key=key, **body)
    inventory.change_product(sku="MUG", name="Dearer", price=Money(9900, "EUR"), active=True)

    again = shopper.place(key=key, **body)

    assert (first.status_code, again.status_code) == (status, status)
    assert again.content == first.content
    assert again["Idempotent-Replayed"] == "true"
    assert {name: again.get(name) for name in ("Location", "ETag")} == {
        name: first.get(name) for name in ("Location", "ETag")
    }
    assert Order.objects.count() <= 1


def test_the_same_key_with_another_body_is_422(shopper: Shopper):
    key = str(uuid.uuid4())
    shopper.place(key=key)

    answer = shopper.place(key=key, quantity=2)

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert Order.objects.count() == 1


def test_the_same_key_with_another_body_is_422_while_the_first_is_undecided(shopper: Shopper):
    key = str(uuid.uuid4())
    assert shopper.place(key=key, headers={"Prefer": "respond-async"}).status_code == 202

    answer = shopper.place(key=key, quantity=2)

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


def test_two_customers_may_use_one_key(shopper: Shopper):
    key = str(uuid.uuid4())

    first, second = shopper.place(key=key), Shopper(UserFactory()).place(key=key)

    assert (first.status_code, second.status_code) == (201, 201)
    assert id_in(first) != id_in(second)


def test_eight_callers_with_one_key_place_one_order(shopper: Shopper, sandbox: Provider, settings: Any):
    settings.STRIPE_TIMEOUT_SECONDS = 20.0
    key = str(uuid.uuid4())

    answers = in_threads(*[lambda: shopper.place(key=key)] * 8)

    assert Order.objects.count() == 1
    order_id = Order.objects.get().pk
    assert {answer.status_code for answer in answers} <= {201, 202}
    assert {id_in(answer) for answer in answers} == {order_id}
    final = shopper.place(key=key)
    assert final.json()["status"] == "CONFIRMED"
    assert {answer.content for answer in answers if answer.json()["status"] == "CONFIRMED"} <= {final.content}
    assert (sandbox.money(order_id), levels()) == ((1, 1250), (9, 0, 1))


def test_the_database_itself_refuses_a_second_order_for_one_key(shopper: Shopper):
    first, second = (id_in(shopper.place()) for _order in range(2))

    with pytest.raises(IntegrityError, match="orders_one_order_per_key"):
        Order.objects.filter(pk=second).update(idempotency_key=Order.objects.get(pk=first).idempotency_key)
