"""Of a limited code, orders that nobody has paid hold a share together: strangers without a card cannot keep it from who pays."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from django.db import connections

from orders import services
from orders.models import CodeUse, DiscountCode, Order
from orders.rules import CancelReason
from orders.sagas.entry import cancel_order, place_order, resume
from shop import transactions
from tests.driver.factories import NewOrderFactory, OrderBodyFactory
from tests.driver.orders import ADDRESS, status_of
from tests.driver.provider import in_threads
from tests.driver.sessions import waiting_at_all
from tests.driver.shop import violations
from tests.driver.shopper import Shopper, id_in
from tests.driver.tables import execute
from tests.driver.waiting import until

# Of 20 uses, a fifth is 4.
USES, MOST = 20, 4
BUYERS = 12
ASKS = "pm_card_authenticationRequired"


@pytest.fixture(autouse=True)
def share(settings: Any) -> None:
    settings.MAX_HELD_UNPAID_CODE_SHARE = 0.2


def code(name: str = "TEN", **more: Any) -> DiscountCode:
    found: DiscountCode = DiscountCode.objects.create(
        **{"code": name, "label": "10 % off", "percent": 10, "max_uses": USES} | more
    )
    return found


def held(name: str = "TEN") -> int:
    return CodeUse.objects.filter(code__code=name, status="HELD").count()


def guest_places(*codes: str, method: str = "") -> uuid.UUID:
    """Have another guest order with these codes, to another mailbox and another place: their orders share no other lock."""
    guest_id = uuid.uuid4()
    new = NewOrderFactory(
        customer_id=guest_id, by_guest=True, email=f"{guest_id.hex}@shop.example", lines=(("MUG", 1),),
        shipping_address=replace(ADDRESS, line1=f"{guest_id.hex} Mill Lane"), payment_method=method, codes=codes or ("TEN",),
    )  # fmt: skip
    return place_order(new=new, inline=False).order_id


def reason_of(place: Callable[[], Any]) -> str:
    try:
        place()
    except services.CodeNotUsable as refusal:
        return str(refusal.facts["reason"])
    return "placed"


def unpaid(shopper: Shopper, **more: Any) -> Any:
    body = OrderBodyFactory(codes=["TEN"]) | more
    del body["payment_method"]
    return shopper.post("orders", body)


def test_strangers_without_a_card_hold_a_share_of_a_code_and_who_pays_at_once_has_the_rest(shopper: Shopper):
    code()

    outcomes = Counter(reason_of(guest_places) for _each in range(MOST + 3))
    refused = unpaid(shopper)
    paid = shopper.place(codes=["TEN"])

    assert outcomes == {"placed": MOST, "held": 3}
    assert (refused.status_code, refused.json()["code"]) == (409, "code_not_usable")
    assert refused.json()["facts"] == {"discount_code": "TEN", "reason": "held"}
    assert "Try again in a few minutes" in refused.json()["detail"]
    assert (paid.status_code, paid.json()["status"]) == (201, "CONFIRMED")
    assert (held(), Order.objects.count(), violations()) == (MOST, MOST + 1, [])


@pytest.mark.parametrize(("uses", "most"), [(1, 1), (2, 1), (9, 1), (10, 2), (14, 2), (15, 3)])
def test_the_share_is_taken_of_the_uses_left_and_is_at_least_one(uses: int, most: int, mug: str):
    code(max_uses=uses)

    outcomes = Counter(reason_of(guest_places) for _each in range(most + 1))

    assert outcomes == {"placed": most, "used_up" if uses == most else "held": 1}


def test_uses_of_paid_orders_are_not_left(shopper: Shopper):
    code(max_uses=10)
    for _each in range(5):
        shopper.place(codes=["TEN"])

    assert [reason_of(guest_places) for _each in range(2)] == ["placed", "held"]


def test_who_brings_a_card_is_never_refused_for_it(shopper: Shopper):
    code(max_uses=3)
    guest_places()

    assert [reason_of(lambda: guest_places(method="pm_card_visa")) for _each in range(3)] == ["placed"] * 2 + [
        "used_up"
    ]


def test_a_card_that_waits_for_its_customer_counts_and_is_not_refused(shopper: Shopper):
    code(max_uses=10)

    waiting = [shopper.place(codes=["TEN"], payment_method=ASKS) for _each in range(3)]
    refused = unpaid(shopper)

    assert [status_of(id_in(answer)) for answer in waiting] == ["AWAITING_PAYMENT"] * 3
    assert refused.json()["facts"]["reason"] == "held"


def test_a_card_that_is_only_walked_does_not_count(mug: str):
    code(max_uses=10)
    for _each in range(4):
        guest_places(method="pm_card_visa")

    assert reason_of(guest_places) == "placed"


@pytest.mark.parametrize("way", ["paid", "canceled"])
def test_who_pays_or_cancels_makes_room(way: str, shopper: Shopper):
    code(max_uses=5)
    order_id = id_in(unpaid(shopper))
    before = reason_of(guest_places)

    if way == "paid":
        shopper.pay(order_id, "pm_card_visa")
    else:
        cancel_order(order_id=order_id, reason=CancelReason.CUSTOMER_REQUEST)

    assert before == "held"
    assert status_of(order_id) == {"paid": "CONFIRMED", "canceled": "CANCELED"}[way]
    assert reason_of(guest_places) == "placed"


def test_an_order_that_is_being_canceled_counts_until_its_use_is_back(mug: str):
    code(max_uses=5)
    order_id = guest_places()
    resume(order_id=order_id)
    execute("orders", "UPDATE orders_order SET status = 'CANCELING' WHERE id = %s", order_id)

    meanwhile = reason_of(guest_places)

    execute("orders", "UPDATE orders_order SET status = 'AWAITING_PAYMENT' WHERE id = %s", order_id)
    assert meanwhile == "held"


def test_a_code_without_a_limit_and_an_order_that_costs_nothing_are_not_judged(shopper: Shopper):
    code(max_uses=None)
    code("FREE", percent=100, max_uses=5)

    assert [reason_of(guest_places) for _each in range(3)] == ["placed"] * 3
    assert [reason_of(lambda: guest_places("FREE")) for _each in range(5)] == ["placed"] * 5


def test_one_code_that_is_held_refuses_the_order_and_holds_nothing_of_the_other(mug: str):
    code(max_uses=5)
    code("FIVE", percent=5, max_uses=None)
    guest_places()

    assert reason_of(lambda: guest_places("FIVE", "TEN")) == "held"
    assert (held("FIVE"), DiscountCode.objects.get(code="FIVE").held) == (0, 0)


def test_many_at_once_hold_the_share_and_not_one_use_more(mug: str):
    code("A")
    code("B")

    buyers = [partial(reason_of, partial(guest_places, *codes)) for codes in (("A", "B"), ("B", "A")) * (BUYERS // 2)]
    outcomes = Counter(in_threads(*buyers))

    assert outcomes == {"placed": MOST, "held": BUYERS - MOST}
    assert (held("A"), held("B"), Order.objects.count(), violations()) == (MOST, MOST, MOST, [])


def test_the_last_use_that_may_be_held_goes_to_one_of_two_that_waited_for_it(mug: str):
    code(max_uses=5)
    locked = threading.Event()

    def hold_until_both_wait() -> None:
        with transactions.transaction("orders"), connections[transactions.alias_for("orders")].cursor() as cursor:
            cursor.execute("SELECT FROM orders_discountcode FOR NO KEY UPDATE")
            locked.set()
            until(lambda: waiting_at_all(cursor) == 2, "two orders wait for the code")

    def order() -> str:
        locked.wait(30)
        return reason_of(guest_places)

    _held, *outcomes = in_threads(hold_until_both_wait, order, order)

    assert sorted(outcomes) == ["held", "placed"]
