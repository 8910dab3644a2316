"""What must be on the disk before anybody outside learns of it, told one by one; and what need not be."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError

from inventory.models import Reservation
from orders import services
from orders.models import Order
from payments.gateways.stripe import adapter as stripe_adapter
from payments.models import Payment, WebhookEvent
from shipping.gateways import CARRIERS
from shipping.models import Shipment
from shipping.services import booking
from shop.events import relay
from shop.events.transport import transport
from tests.driver.factories import ProductFactory, UserFactory
from tests.driver.provider import Provider, post_signed
from tests.driver.shopper import Shopper, id_in
from tests.proof.power.server import Power

CHALLENGED = "pm_card_authenticationRequired"
# The package names the function, which is called as its module is.
placing = importlib.import_module("orders.services.place_order")


@pytest.fixture
def shopper(power: Power, sandbox: Provider) -> Shopper:
    ProductFactory(sku="MUG", stock=10)
    return Shopper(UserFactory())


@pytest.fixture
def cut_before(power: Power, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that has the power cut right before the next call of a method."""

    def plan(owner: Any, method: str) -> None:
        original = getattr(owner, method)

        def cut(*args: Any, **kwargs: Any) -> Any:
            if not power.cuts:
                power.cut()
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, method, cut)

    return plan


def rows() -> tuple[str, str, str, bool]:
    """Return how the one order, its stock and its payment stand on the disk, and whether its intent is known."""
    order, reservation, payment = Order.objects.get(), Reservation.objects.get(), Payment.objects.get()
    return order.status, reservation.status, payment.status, payment.intent_id is not None


def place(shopper: Shopper, power: Power) -> None:
    """Place an order whose database goes away meanwhile; whatever its client is told."""
    shopper.client.raise_request_exception = False
    shopper.place()
    assert power.cuts == 1
    power.forget_connections()


def test_what_no_commit_has_waited_for_is_lost(shopper: Shopper, power: Power, monkeypatch: pytest.MonkeyPatch):
    def cut(*_args: Any, **_kwargs: Any) -> Any:
        power.cut()
        raise DatabaseError("the power is cut")

    monkeypatch.setattr(placing, "_progress", cut)

    place(shopper, power)

    assert not Order.objects.exists()


def test_an_answer_that_was_given_is_kept_with_all_that_it_says(shopper: Shopper, power: Power):
    answer = shopper.place(key="the-storefront-keeps-it")

    power.end()

    assert answer.status_code == 201
    assert rows() == ("CONFIRMED", "COMMITTED", "CAPTURED", True)
    again = shopper.place(key="the-storefront-keeps-it")
    assert (again.content, again["Idempotent-Replayed"]) == (answer.content, "true")


def test_an_order_that_is_only_recorded_is_kept_before_its_customer_hears_of_it(shopper: Shopper, power: Power):
    answer = shopper.place(headers={"Prefer": "respond-async"})

    power.end()

    assert answer.status_code == 202
    assert Order.objects.get().pk == id_in(answer)


def test_an_order_that_waits_for_its_customer_is_kept(shopper: Shopper, power: Power):
    shopper.place(payment_method=CHALLENGED)

    power.end()

    assert rows() == ("AWAITING_PAYMENT", "PAYING", "REQUIRES_ACTION", True)


@pytest.mark.parametrize(
    ("call", "kept"),
    [
        ("create_intent", ("PENDING", "PAYING", "NEW", False)),
        ("confirm_intent", ("PENDING", "PAYING", "SUBMITTED", True)),
        ("capture_intent", ("CONFIRMING", "COMMITTED", "SUBMITTED", True)),
    ],
)
def test_what_a_call_to_the_provider_stands_on_is_kept_before_it(
    call: str, kept: tuple[str, str, str, bool], shopper: Shopper, power: Power, cut_before: Callable[..., None]
):
    cut_before(stripe_adapter.provider(), call)

    place(shopper, power)

    assert rows() == kept


def test_a_fact_is_kept_before_anybody_outside_hears_of_it(
    shopper: Shopper, power: Power, cut_before: Callable[..., None], monkeypatch: pytest.MonkeyPatch
):
    place_order = services.place_order

    def place_and_tell(**what: Any) -> Any:
        placed = place_order(**what)
        relay.drain("orders")
        return placed

    monkeypatch.setattr(services, "place_order", place_and_tell)
    cut_before(type(transport()), "send")

    place(shopper, power)

    assert Order.objects.count() == 1


def test_a_notice_that_teaches_is_kept_before_it_is_acknowledged(shopper: Shopper, power: Power, sandbox: Provider):
    order_id = id_in(shopper.place(payment_method=CHALLENGED))
    sandbox.answer_challenge(order_id, "approve")
    event = sandbox.events("payment_intent.amount_capturable_updated")[-1]

    answer = post_signed(event)
    power.end()

    assert answer.status_code == 200
    assert WebhookEvent.objects.filter(event_id=event["id"]).exists()


def test_the_carrier_is_written_down_before_it_is_asked(
    shopper: Shopper, power: Power, cut_before: Callable[..., None]
):
    shopper.place()
    relay.drain_all()
    cut_before(CARRIERS["sandbox"], "find")
    cut_before(CARRIERS["sandbox"], "book")

    booking.book_due_shipments()
    power.forget_connections()

    assert Shipment.objects.get().carrier == "sandbox"
