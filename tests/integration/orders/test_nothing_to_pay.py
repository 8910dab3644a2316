"""An order that costs nothing: confirmed, canceled and audited without a payment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail

from inventory import api as inventory
from orders import services
from orders.queries import get_progress
from orders.sagas.entry import resume
from orders.sagas.steps import reserve_stock
from orders.story import tell_story
from payments.models import Payment
from shop.money import Money
from tests.driver.factories import OrderBodyFactory, ProductFactory
from tests.driver.orders import levels, pass_deadline, placed, reservation, status_of
from tests.driver.provider import Provider
from tests.driver.shop import violations
from tests.driver.shopper import Shopper, id_in
from tests.driver.tables import execute

FREE = "LEAFLET"


@pytest.fixture(autouse=True)
def free(shopper: Shopper) -> str:
    return ProductFactory(sku=FREE, price=Money(0, "EUR"), stock=10)


@pytest.mark.parametrize("payment_method", ["", "pm_card_visa"])
def test_it_is_confirmed_at_once_and_the_provider_hears_nothing(
    payment_method: str, shopper: Shopper, sandbox: Provider
):
    body = OrderBodyFactory(sku=FREE, quantity=2, payment_method=payment_method)
    answer = shopper.post("orders", {name: value for name, value in body.items() if value})
    order_id = id_in(answer)

    told = answer.json()
    assert (answer.status_code, told["status"], told["next_action"]) == (201, "CONFIRMED", "none")
    assert (told["total"]["amount_minor"], told["payment"]) == (0, None)
    assert levels(FREE) == (8, 0, 2)
    assert sandbox.ledger(order_id) == []
    assert not Payment.objects.filter(pk=order_id).exists()


def test_its_story_says_that_no_payment_was_needed(shopper: Shopper):
    order_id = id_in(shopper.place(sku=FREE))
    shopper.cancel(order_id)

    told = [each.what for each in tell_story(order_id).happened if "payment" in each.what]

    nothing = "not needed: the order costs nothing"
    assert told == [
        f"checkout: authorize_payment -> {nothing}",
        f"checkout: capture_payment -> {nothing}",
        f"refund: refund_payment -> {nothing}",
    ]


def test_a_cancel_after_it_is_confirmed_puts_the_stock_back_and_refunds_nothing(
    shopper: Shopper, sandbox: Provider, drain: Callable[[], None]
):
    order_id = id_in(shopper.place(sku=FREE))

    answer = shopper.cancel(order_id)
    drain()

    assert (answer.status_code, answer.json()["status"]) == (200, "REFUNDED")
    assert levels(FREE) == (10, 0, 0)
    assert sandbox.ledger(order_id) == []
    assert "money" not in mail.outbox[-1].body


def test_a_cancel_before_it_is_confirmed_gives_the_stock_back(shopper: Shopper, sandbox: Provider):
    order_id = placed((FREE, 1), payment_method="", customer_id=shopper.user.pk)
    reserve_stock(get_progress(order_id=order_id))

    answer = shopper.cancel(order_id)

    assert (answer.status_code, answer.json()["status"]) == (200, "CANCELED")
    assert levels(FREE) == (10, 0, 0)
    assert not Payment.objects.filter(pk=order_id).exists()


def test_its_stock_is_kept_for_as_long_as_its_confirmation_takes(monkeypatch: pytest.MonkeyPatch):
    order_id = placed((FREE, 1), payment_method="")
    with monkeypatch.context() as patch:
        patch.setattr(inventory, "commit_stock", _away)
        resume(order_id=order_id)
    assert (status_of(order_id), reservation(order_id)) == ("CONFIRMING", "PAYING")
    pass_deadline(order_id)
    inventory.release_expired_reservations()

    resume(order_id=order_id)

    assert (status_of(order_id), reservation(order_id)) == ("CONFIRMED", "COMMITTED")


def test_a_walk_begun_anew_reserves_its_stock_for_payment_too():
    order_id = placed((FREE, 1), payment_method="")

    reserve_stock(get_progress(order_id=order_id))

    assert reservation(order_id) == "PAYING"


def test_one_whose_stock_is_reserved_is_in_time_however_late(monkeypatch: pytest.MonkeyPatch):
    order_id = placed((FREE, 1), payment_method="")
    reserve_stock(get_progress(order_id=order_id))
    services.advance_order(
        order=get_progress(order_id=order_id), to="AWAITING_PAYMENT", saga="checkout", steps=[], ends_saga=False
    )
    pass_deadline(order_id)

    resume(order_id=order_id)

    assert status_of(order_id) == "CONFIRMED"


def test_one_whose_stock_could_not_be_reserved_in_time_is_canceled():
    order_id = placed((FREE, 1), payment_method="")
    pass_deadline(order_id)

    resume(order_id=order_id)

    assert (status_of(order_id), reservation(order_id)) == ("CANCELED", "RELEASED")


def test_it_is_not_judged_as_held_unpaid(settings: Any):
    settings.MAX_HELD_UNPAID_PIECES, settings.MAX_HELD_UNPAID_SHARE = 1, 0.0

    order_id = placed((FREE, 5), payment_method="")

    assert status_of(order_id) == "PENDING"
    assert resume(order_id=order_id).status == "CONFIRMED"


@pytest.mark.makes_facts_up
def test_only_an_order_that_costs_nothing_is_confirmed_without_a_payment(shopper: Shopper):
    order_id = id_in(shopper.place())
    execute("payments", "DELETE FROM payments_payment WHERE order_id = %s", order_id)

    assert [found for found in violations() if found.startswith(f"I5 order {order_id}: it is CONFIRMED")]
    execute("orders", "UPDATE orders_order SET total_minor = 0 WHERE id = %s", order_id)
    assert not [found for found in violations() if found.startswith("I5 ")]


def _away(**_kwargs: Any) -> None:
    raise inventory.InventoryUnavailable


def test_its_customer_is_asked_for_no_payment_method_while_it_waits(shopper: Shopper):
    order_id = placed((FREE, 1), payment_method="", customer_id=shopper.user.pk)
    reserve_stock(get_progress(order_id=order_id))
    services.advance_order(
        order=get_progress(order_id=order_id), to="AWAITING_PAYMENT", saga="checkout", steps=[], ends_saga=False
    )

    told = shopper.order(order_id)

    assert (told["status"], told["next_action"]) == ("AWAITING_PAYMENT", "wait")
    assert resume(order_id=order_id).status == "CONFIRMED"
