"""A customer holds stock with so many unpaid orders at once and no more, however they ask; others are not kept waiting."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connections
from django.db.backends.utils import CursorWrapper

from orders.models import Contact, Order, OrderLine, OrderStatus, Saga
from orders.sagas.entry import resume
from shop import transactions
from shop.rest.problem import known_problems
from tests.driver.factories import OrderBodyFactory, UserFactory
from tests.driver.orders import levels, pass_deadline, payment, status_of
from tests.driver.provider import Provider, in_threads
from tests.driver.sessions import waiting_for
from tests.driver.shopper import Shopper, id_in
from tests.driver.waiting import until

CAP = 3


@pytest.fixture(autouse=True)
def cap(settings: Any) -> None:
    settings.MAX_OPEN_ORDERS_PER_CUSTOMER = CAP


def place_unpaid(shopper: Shopper, *, key: str = "") -> Any:
    """Order and leave the payment for later: the order waits and holds one unit."""
    return shopper.post("orders", unpaid_body(), key=key)


def unpaid_body() -> dict[str, Any]:
    body: dict[str, Any] = OrderBodyFactory()
    del body["payment_method"]
    return body


def recorded() -> list[int]:
    return [model._default_manager.count() for model in (Order, OrderLine, Contact, Saga)]


def test_the_order_over_the_cap_is_refused_and_leaves_nothing(shopper: Shopper):
    waiting = [place_unpaid(shopper).json() for _each in range(CAP)]
    before, held = recorded(), levels()

    answer = place_unpaid(shopper)

    body = answer.json()
    assert (answer.status_code, body["code"]) == (429, "too_many_open_orders")
    open_orders = [{"order_id": each["id"], "number": each["number"], "status": "AWAITING_PAYMENT"} for each in waiting]
    assert body["facts"] == {"unpaid": CAP, "allowed": CAP, "open_orders": open_orders}
    assert all(each["number"] in body["detail"] for each in waiting)
    assert "pay or cancel one" in body["title"]
    assert (recorded(), levels()) == (before, held)
    assert "too_many_open_orders" in known_problems()


def test_paying_or_canceling_one_makes_room(shopper: Shopper):
    first, second, *_rest = [id_in(place_unpaid(shopper)) for _each in range(CAP)]

    assert shopper.pay(first, "pm_card_visa").status_code == 201
    assert place_unpaid(shopper).status_code == 201
    assert place_unpaid(shopper).status_code == 429
    assert shopper.cancel(second).status_code == 200
    assert place_unpaid(shopper).status_code == 201


def test_an_order_that_was_never_paid_makes_room_when_its_time_is_over(shopper: Shopper):
    late, *_rest = [id_in(place_unpaid(shopper)) for _each in range(CAP)]

    pass_deadline(late)
    resume(order_id=late)

    assert place_unpaid(shopper).status_code == 201


def test_a_refused_key_orders_once_there_is_room(shopper: Shopper):
    first, *_rest = [id_in(place_unpaid(shopper)) for _each in range(CAP)]
    key = str(uuid.uuid4())
    assert place_unpaid(shopper, key=key).status_code == 429
    shopper.cancel(first)

    assert place_unpaid(shopper, key=key).status_code == 201


def test_an_earlier_key_still_gets_its_order(shopper: Shopper):
    key = str(uuid.uuid4())
    first = id_in(place_unpaid(shopper, key=key))
    for _each in range(CAP - 1):
        place_unpaid(shopper)

    again = place_unpaid(shopper, key=key)

    assert (again.status_code, id_in(again)) == (201, first)


@pytest.mark.parametrize(("status", "card"), [("AWAITING_PAYMENT", "authenticationRequired"), ("CONFIRMING", "visa")])
def test_an_order_under_way_counts_and_a_confirmed_one_does_not(
    status: str, card: str, shopper: Shopper, sandbox: Provider
):
    for _each in range(CAP + 1):
        assert shopper.place().status_code == 201
    if status == "CONFIRMING":
        sandbox.fail("lost_request", "/v1/payment_intents/*/capture", times=CAP)
    under_way = [id_in(shopper.place(payment_method=f"pm_card_{card}")) for _each in range(CAP)]

    assert {status_of(order_id) for order_id in under_way} == {status}
    assert shopper.place().json()["code"] == "too_many_open_orders"
    assert Order.objects.exclude(status=OrderStatus.CONFIRMED).count() == CAP
    assert payment(under_way[0]) != "CAPTURED"


def test_orders_placed_at_the_same_moment_do_not_pass_the_cap(shopper: Shopper):
    calls = [lambda: place_unpaid(shopper) for _each in range(4 * CAP)]

    answers = in_threads(*calls)

    assert sorted(answer.status_code for answer in answers) == [201] * CAP + [429] * (3 * CAP)
    assert Order.objects.count() == CAP
    assert levels() == (10 - CAP, CAP, 0)


def test_the_last_place_is_taken_once_by_those_who_waited_for_it(shopper: Shopper):
    for _each in range(CAP - 1):
        place_unpaid(shopper)
    locked = threading.Event()

    def hold_until_both_wait() -> None:
        with orders_of(shopper) as cursor:
            locked.set()
            until(lambda: waiting_for(cursor) == 2, "two orders wait for their customer's lock")

    def place() -> int:
        locked.wait(30)
        return int(place_unpaid(shopper).status_code)

    _held, *statuses = in_threads(hold_until_both_wait, place, place)

    assert sorted(statuses) == [201, 429]


def test_one_key_sent_at_the_same_moment_takes_the_last_place_once(shopper: Shopper):
    for _each in range(CAP - 1):
        place_unpaid(shopper)
    key = str(uuid.uuid4())

    answers = in_threads(*[lambda: place_unpaid(shopper, key=key) for _each in range(6)])

    assert {answer.status_code for answer in answers} <= {201, 202}
    assert len({id_in(answer) for answer in answers}) == 1


def test_another_customer_does_not_wait(shopper: Shopper):
    other = Shopper(UserFactory())
    with orders_of(shopper):
        (answer,) = in_threads(lambda: place_unpaid(other))

    assert answer.status_code == 201


@contextmanager
def orders_of(shopper: Shopper) -> Iterator[CursorWrapper]:
    """Hold what an order of this customer holds while it is being recorded."""
    assert shopper.user is not None
    with transactions.transaction("orders"), connections[transactions.alias_for("orders")].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"orders of {shopper.user.pk}"])
        yield cursor
