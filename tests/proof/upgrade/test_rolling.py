"""While a deploy rolls, workers of two releases walk the same orders: what one leaves, the other finds.

Here is what 0.1.0 does that the present release does not, by its own rule.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from orders.models import Saga
from orders.sagas.entry import resume_due
from payments import api as payments
from payments.models import Payment
from tests.driver.orders import levels, status_of
from tests.driver.provider import Provider
from tests.driver.provider_process import provider, sandbox_process
from tests.proof.crashes.children import live
from tests.proof.crashes.enumeration import make_due, settle, violations_at_rest
from tests.proof.crashes.journeys.placing import Confirm
from tests.proof.heard import unheard

__all__ = ["provider", "sandbox_process"]

CAPTURE = "before stripe POST /v1/payment_intents/*/capture #1"


def died_before_the_capture(journey: Confirm) -> uuid.UUID:
    """Leave an order whose card holds the amount, and whose process died before it took it; return its id."""
    journey.begin()
    points = live(journey.act).points
    journey.begin()
    assert live(journey.act, die_at=points.index(CAPTURE)).killed
    order_id = journey.order_id()
    assert (status_of(order_id), Payment.objects.get().status) == ("CONFIRMING", "SUBMITTED")
    return order_id


def as_0_1_0_captures(capture: Callable[..., Any]) -> Callable[..., Any]:
    """Return 0.1.0's capture: it asks the provider nothing where the row does not say AUTHORIZED, and refuses."""

    def capture_payment(*, order_id: uuid.UUID, **_unknown_to_it: Any) -> Any:
        payment = Payment.objects.get(pk=order_id)
        if payment.status == "SUBMITTED":
            raise payments.PaymentNotAuthorized(f"the payment of order {order_id} is SUBMITTED", order_id=order_id)
        return capture(order_id=order_id)

    return capture_payment


def test_this_release_takes_the_money_that_a_dead_process_left_held(provider: Provider, drain: Callable[[], None]):
    order_id = died_before_the_capture(Confirm(provider, drain))

    settle()

    assert status_of(order_id) == "DELIVERED"
    assert provider.money(order_id) == (1, 1250)


def test_a_worker_of_0_1_0_cancels_such_an_order_and_no_money_moves(
    provider: Provider, drain: Callable[[], None], monkeypatch: pytest.MonkeyPatch
):
    order_id = died_before_the_capture(Confirm(provider, drain))

    with monkeypatch.context() as old:
        old.setattr(payments, "capture_payment", as_0_1_0_captures(payments.capture_payment))
        # The order is due again after ten seconds, sooner than the provider is asked how its payment stands.
        make_due(Saga)
        resume_due()
        settle()

    assert status_of(order_id) == "CANCELED"
    assert provider.money(order_id) == (0, 0)
    assert sum(line["held"] for line in provider.ledger(order_id)) == 0
    assert levels() == (10, 0, 0)
    assert [*violations_at_rest(), *unheard()] == []
