"""Discount codes are stock: a use is held with its order, used once it is confirmed, and given back with it."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.db import connections

from orders import services
from orders.models import CodeUse, DiscountCode, Order
from orders.rules import CancelReason
from orders.sagas import entry
from orders.sagas.entry import cancel_order, place_order, resume
from orders.services.take_along import take_along
from tests.driver.factories import NewOrderFactory, OrderBodyFactory, UserFactory
from tests.driver.orders import ADDRESS, status_of
from tests.driver.provider import Provider
from tests.driver.shop import violations
from tests.driver.shopper import Shopper, id_in
from tests.driver.tables import execute

BUYERS = 6


def code(name: str = "TEN", **more: Any) -> DiscountCode:
    found: DiscountCode = DiscountCode.objects.create(
        **{"code": name, "label": "10 % off", "percent": 10, "max_uses": 1} | more
    )
    return found


def counted(name: str = "TEN") -> tuple[int, int]:
    found = DiscountCode.objects.get(code=name)
    return found.held, found.used


def uses() -> list[str]:
    return list(CodeUse.objects.order_by("id").values_list("status", flat=True))


def placed_with(
    *codes: str, customer_id: uuid.UUID | None = None, key: str = "", method: str = "pm_card_visa"
) -> uuid.UUID:
    new = NewOrderFactory(
        customer_id=customer_id or uuid.uuid4(), lines=(("MUG", 1),), email="ada@shop.example", shipping_address=ADDRESS,
        payment_method=method, codes=codes, **({"idempotency_key": key} if key else {}),
    )  # fmt: skip
    return place_order(new=new, inline=False).order_id


def test_a_use_is_held_with_the_order_and_used_once_it_is_confirmed(shopper: Shopper, sandbox: Provider):
    code()
    order_id = placed_with("ten")
    before = (counted(), uses())

    resume(order_id=order_id)

    assert before == ((1, 0), ["HELD"])
    assert (counted(), uses(), status_of(order_id)) == ((0, 1), ["USED"], "CONFIRMED")
    assert sandbox.money(order_id) == (1, 1125)


def test_the_order_tells_its_discount(shopper: Shopper):
    code()

    answer = shopper.place(codes=[" ten "])

    (discount,) = answer.json()["adjustments"]
    assert answer.status_code == 201
    assert (discount["kind"], discount["code"], discount["rate"], discount["amount"]["amount_minor"]) == (
        "discount", "TEN", "10.00", -125,
    )  # fmt: skip


@pytest.mark.parametrize("card", ["pm_card_chargeDeclinedStolenCard", "pm_card_visa"])
def test_an_order_that_is_canceled_gives_its_use_back(card: str, shopper: Shopper):
    code()
    order_id = id_in(shopper.place(codes=["TEN"], payment_method=card))
    if card == "pm_card_visa":
        assert counted() == (0, 1)
        cancel_order(order_id=order_id, reason=CancelReason.CUSTOMER_REQUEST)

    assert status_of(order_id) in ("CANCELED", "REFUNDED")
    assert (counted(), uses()) == ((0, 0), ["RETURNED"])
    assert shopper.place(codes=["TEN"]).status_code == 201


def test_a_code_that_is_used_up_is_409_and_nothing_is_recorded(shopper: Shopper):
    code()
    placed_with("TEN")

    answer = shopper.place(codes=["TEN"])

    facts = answer.json()["facts"]
    assert (answer.status_code, answer.json()["code"]) == (409, "code_not_usable")
    assert (facts["discount_code"], facts["reason"]) == ("TEN", "used_up")
    assert Order.objects.count() == 1


@pytest.mark.parametrize(
    ("more", "wanted", "reason"),
    [
        ({"active": False}, "TEN", "unknown"),
        ({}, "NEVER-MADE", "unknown"),
        ({"minimum_minor": 5000, "currency": "EUR"}, "TEN", "below_minimum"),
        ({"skus": ["CUP"]}, "TEN", "other_products"),
    ],
)
def test_a_code_that_does_not_apply_is_409_with_its_reason(
    more: dict[str, Any], wanted: str, reason: str, shopper: Shopper
):
    code(**more)

    answer = shopper.place(codes=[wanted])

    assert (answer.status_code, answer.json()["facts"]["reason"]) == (409, reason)
    assert Order.objects.count() == 0


def test_once_per_customer_means_one_order_that_is_not_canceled(shopper: Shopper):
    code(once_per_customer=True, max_uses=None)
    first = id_in(shopper.place(codes=["TEN"]))
    second = shopper.place(codes=["TEN"])
    other = Shopper(UserFactory()).place(codes=["TEN"])
    shopper.cancel(first)
    third = shopper.place(codes=["TEN"])

    assert (second.status_code, second.json()["facts"]["reason"]) == (409, "used_before")
    assert (other.status_code, third.status_code) == (201, 201)


def test_two_guests_with_one_mailbox_are_one_customer_to_a_code(mug: str):
    code(once_per_customer=True, max_uses=None)
    guest = {"by_guest": True, "lines": (("MUG", 1),), "codes": ("TEN",), "shipping_address": ADDRESS}
    place_order(new=NewOrderFactory(email="ada+1@shop.example", **guest), inline=False)

    with pytest.raises(services.CodeNotUsable) as refused:
        place_order(new=NewOrderFactory(email="Ada+1@shop.example", **guest), inline=False)

    assert refused.value.facts["reason"] == "used_before"
    assert Order.objects.count() == 1


@pytest.mark.parametrize("first", ["as a guest", "signed in"])
def test_a_mailbox_is_one_customer_to_a_code_whether_it_signs_in_or_not(first: str, shopper: Shopper):
    code(once_per_customer=True, max_uses=None)
    EmailAddress.objects.create(user=shopper.user, email="ada@shop.example", verified=True, primary=True)
    signed_in = {"customer_id": shopper.user.pk, "email": "elsewhere@shop.example"}
    ways = [{"by_guest": True, "email": "Ada+2@shop.example"}, signed_in]
    same = {"lines": (("MUG", 1),), "codes": ("TEN",), "shipping_address": ADDRESS}
    one, other = ways if first == "as a guest" else reversed(ways)
    place_order(new=NewOrderFactory(**one, **same), inline=False)

    with pytest.raises(services.CodeNotUsable) as refused:
        place_order(new=NewOrderFactory(**other, **same), inline=False)

    assert refused.value.facts["reason"] == "used_before"


def test_a_use_goes_along_with_its_order(shopper: Shopper):
    code(once_per_customer=True, max_uses=None)
    guests = [uuid.uuid4(), uuid.uuid4()]
    same = {"by_guest": True, "lines": (("MUG", 1),), "codes": ("TEN",), "shipping_address": ADDRESS}
    for number, guest_id in enumerate(guests):
        new = NewOrderFactory(customer_id=guest_id, email=f"ada{number}@shop.example", **same)
        place_order(new=new, inline=False)

    taken = [take_along(guest_id=guest_id, customer_id=shopper.user.pk) for guest_id in guests]

    assert taken == [1, 1]
    assert list(CodeUse.objects.order_by("id").values_list("customer_id", flat=True)) == [shopper.user.pk, guests[1]]
    assert shopper.place(codes=["TEN"]).json()["facts"]["reason"] == "used_before"


def test_the_same_request_again_is_the_order_that_it_has_placed(shopper: Shopper):
    code()
    first = shopper.place(codes=["TEN"], key="asked-twice-with-the-last-use")
    execute("shop", "DELETE FROM shop_idempotencykey")

    again = shopper.place(codes=["TEN"], key="asked-twice-with-the-last-use")

    assert (again.status_code, id_in(again)) == (201, id_in(first))
    assert counted() == (0, 1)


def test_all_off_is_confirmed_without_a_payment(shopper: Shopper, sandbox: Provider):
    code("FREE", percent=100)
    body = OrderBodyFactory(codes=["FREE"])
    del body["payment_method"]

    answer = shopper.post("orders", body)

    assert (answer.status_code, answer.json()["status"], answer.json()["payment"]) == (201, "CONFIRMED", None)
    assert sandbox.ledger(id_in(answer)) == []


def test_a_code_for_which_the_others_leave_nothing_is_refused_and_not_used(shopper: Shopper):
    code()
    code("FREE", percent=100)

    answer = shopper.place(codes=["TEN", "FREE"])

    facts = answer.json()["facts"]
    assert (answer.status_code, facts["discount_code"], facts["reason"]) == (409, "TEN", "below_minimum")
    assert (Order.objects.count(), counted()) == (0, (0, 0))
    assert shopper.place(codes=["FREE"]).json()["status"] == "CONFIRMED"


def test_the_last_use_goes_to_one_of_many_buyers(mug: str):
    code("A")
    code("B")
    together = threading.Barrier(BUYERS)

    def buy(number: int) -> str:
        try:
            together.wait()
            placed_with(*(("A", "B") if number % 2 else ("B", "A")))
        except services.CodeNotUsable as refusal:
            return str(refusal.facts["reason"])
        finally:
            connections.close_all()
        return "placed"

    with ThreadPoolExecutor(BUYERS) as threads:
        outcomes = Counter(threads.map(buy, range(BUYERS)))

    assert outcomes == {"placed": 1, "used_up": BUYERS - 1}
    assert (counted("A"), counted("B"), Order.objects.count()) == ((1, 0), (1, 0), 1)


def test_two_requests_with_one_key_and_the_last_use_are_one_order(mug: str):
    code()
    together, customer_id = threading.Barrier(2), uuid.uuid4()

    def buy(_number: int) -> uuid.UUID:
        try:
            together.wait()
            return placed_with("TEN", customer_id=customer_id, key="one-key-for-two-requests")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(buy, range(2))

    assert first == second
    assert counted() == (1, 0)


def test_a_cancel_meets_the_confirmation_and_the_use_stands_where_the_order_does(mug: str, drain: Callable[[], None]):
    code()
    order_id = placed_with("TEN")
    together = threading.Barrier(2)

    def walk() -> None:
        try:
            together.wait()
            resume(order_id=order_id)
        finally:
            connections.close_all()

    def cancel() -> None:
        try:
            together.wait()
            entry.cancel_order(order_id=order_id, reason=CancelReason.CUSTOMER_REQUEST)
        except services.OrderBeingConfirmed:
            pass
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as threads:
        for future in [threads.submit(walk), threads.submit(cancel)]:
            future.result()
    drain()

    expected = {"CANCELED": (0, 0), "REFUNDED": (0, 0)}.get(status_of(order_id), (0, 1))
    assert counted() == expected
    assert violations() == []


def test_the_database_itself_refuses_one_use_too_many(mug: str):
    code()
    placed_with("TEN")

    with pytest.raises(Exception, match="orders_code_within_its_uses"):
        execute("orders", "UPDATE orders_discountcode SET held = held + 1")
