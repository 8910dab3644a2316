"""Another provider and another carrier: named by a setting each, and an order goes its whole way with them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import get_resolver, reverse

from orders.gateways import inventory_breaker
from payments.gateways import PaymentProvider
from payments.gateways.stripe.adapter import StripeProvider
from payments.models import WebhookEvent
from shipping import gateways
from shipping.gateways import CARRIERS, Carrier
from shipping.rules import Stage
from tests.driver.orders import make_due
from tests.driver.shop import mug, settle, shopper, violations
from tests.driver.shopper import Shopper, id_in
from tests.integration.adapters import provider as short
from tests.integration.adapters.carrier import ShortCarrier
from tests.integration.adapters.provider import SHORT, ShortProvider, intent_of
from tests.load.free_provider import FreeProvider

__all__ = ["mug", "settle", "shopper"]


@pytest.fixture(autouse=True)
def short_world(database: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    get_resolver().url_patterns  # noqa: B018  the address of webhooks is settled as a process starts
    settings.PAYMENT_PROVIDER = f"{short.__name__}.provider"
    settings.SHIPPING_CARRIER = "short"
    monkeypatch.setitem(gateways.CARRIERS, "short", ShortCarrier)
    monkeypatch.setattr(SHORT, "intents", {})
    monkeypatch.setattr(SHORT, "refunds", {})
    monkeypatch.setattr(ShortCarrier, "booked", {})
    cache.clear()
    inventory_breaker.reset()
    yield
    assert violations() == []


def carried(stage: Stage) -> None:
    for reference in ShortCarrier.booked:
        ShortCarrier.booked[reference] = stage
    make_due()


def test_an_order_is_paid_shipped_and_delivered(shopper: Shopper, settle: Callable[[], None]):
    placed = shopper.place(payment_method="tok-ada")
    assert (placed.status_code, placed.json()["status"]) == (201, "CONFIRMED")
    intent = intent_of(id_in(placed))
    assert (intent.status, intent.captured) == ("CAPTURED", intent.amount)

    settle()
    assert len(ShortCarrier.booked) == 1
    carried(Stage.DISPATCHED)
    settle()
    assert shopper.order(id_in(placed))["status"] == "SHIPPED"
    carried(Stage.DELIVERED)
    settle()

    assert shopper.order(id_in(placed))["status"] == "DELIVERED"


def test_an_order_is_canceled_refunded_and_its_parcel_stopped(shopper: Shopper, settle: Callable[[], None]):
    placed = shopper.place(payment_method="tok-ada")
    settle()
    assert len(ShortCarrier.booked) == 1

    shopper.cancel(id_in(placed))
    settle()

    assert shopper.order(id_in(placed))["status"] == "REFUNDED"
    assert intent_of(id_in(placed)).refunded == intent_of(id_in(placed)).amount
    assert (len(SHORT.refunds), ShortCarrier.booked) == (1, {})


def test_a_declined_card_is_followed_by_another_one(shopper: Shopper, settle: Callable[[], None]):
    declined = shopper.place(payment_method="tok-poor")
    settle()

    assert (declined.status_code, declined.json()["code"]) == (402, "card_declined")
    assert declined.json()["facts"]["decline_code"] == "insufficient_funds"
    paid = shopper.pay(id_in(declined), "tok-ada")
    assert (paid.status_code, paid.json()["status"]) == (201, "CONFIRMED")
    assert intent_of(id_in(declined)).status == "CAPTURED"


def test_a_declined_card_that_none_follows_unwinds_the_order(shopper: Shopper, settle: Callable[[], None]):
    declined = shopper.place(payment_method="tok-poor")

    shopper.cancel(id_in(declined))
    settle()

    assert intent_of(id_in(declined)).status == "CANCELED"
    assert shopper.order(id_in(declined))["status"] == "CANCELED"


def test_its_webhooks_are_verified_kept_and_judged(shopper: Shopper, settle: Callable[[], None]):
    intent = intent_of(id_in(shopper.place(payment_method="tok-ada")))

    def post(kind: str, secret: str) -> int:
        body = f"evt-{kind} {kind} {intent.intent_id}"
        answer = Client().post(
            reverse("provider-webhook"), body, content_type="text/plain", headers={"X-Secret": secret}
        )
        return int(answer.status_code)

    assert post("charged", "guessed") == 400
    assert [post(kind, "s3cret") for kind in ("charged", "charged", "printed")] == [200] * 3
    settle()
    assert [(kept.type, kept.outcome) for kept in WebhookEvent.objects.all()] == [("charged", "nothing_new")]


def differences(port: type, adapter: type) -> list[str]:
    """Name what of a port an adapter has not, or takes other arguments for."""
    wanted = set(inspect.get_annotations(port))
    found = [name for name in sorted(wanted) if name not in inspect.getsource(adapter)]
    for name, method in inspect.getmembers(port, inspect.isfunction):
        if name.startswith("_"):
            continue
        theirs = getattr(adapter, name, None)
        if theirs is None or set(inspect.signature(theirs).parameters) != set(inspect.signature(method).parameters):
            found.append(name)
    return found


@pytest.mark.parametrize("adapter", [StripeProvider, ShortProvider, FreeProvider])
def test_a_provider_has_all_of_the_port(adapter: type):
    assert differences(PaymentProvider, adapter) == []


@pytest.mark.parametrize("adapter", [*CARRIERS.values(), ShortCarrier])
def test_a_carrier_has_all_of_the_port(adapter: type):
    assert differences(Carrier, adapter) == []
