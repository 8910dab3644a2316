"""A status that a walk passes through is not written; it is written where the walk ends in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from orders.models import Order, Outbox
from orders.rules import CancelReason
from orders.sagas import engine
from orders.sagas.engine import Saga, Step, WaitingForOutside
from orders.sagas.entry import cancel_order, resume_due
from orders.services import request_cancel
from payments.gateways.stripe import adapter as stripe_adapter
from tests.driver.orders import levels, make_due, payment, placed, reservation, saga_of, status_of
from tests.driver.provider import Provider
from tests.driver.shopper import Shopper, id_in


class Died(BaseException):
    """The process is gone."""


def told(order_id: Any) -> list[str]:
    """Return the facts of an order in their order."""
    return list(Outbox.objects.filter(aggregate_id=order_id).order_by("id").values_list("type", flat=True))


def test_a_paid_order_goes_from_pending_to_confirming(shopper: Shopper):
    order_id = id_in(shopper.place())

    assert told(order_id) == ["order.placed", "order.confirming", "order.confirmed"]
    assert Order.objects.get(pk=order_id).version == 3


def test_an_order_that_waits_for_its_customer_awaits_its_payment(shopper: Shopper):
    answer = shopper.place(payment_method="pm_card_authenticationRequired")

    assert answer.json()["status"] == status_of(id_in(answer)) == "AWAITING_PAYMENT"
    assert told(id_in(answer)) == ["order.placed", "order.awaiting_payment"]
    assert saga_of(id_in(answer)).waiting_for == "customer"


def test_an_order_whose_payment_is_not_answered_awaits_it(
    shopper: Shopper, sandbox: Provider, settle: Callable[[], None]
):
    sandbox.fail("lost_answer", "/v1/payment_intents/*/confirm")
    sandbox.fail("lost_answer", "/v1/payment_intents/*", method="GET")

    order_id = id_in(shopper.place())

    assert (status_of(order_id), saga_of(order_id).attempts) == ("AWAITING_PAYMENT", 1)
    settle()
    assert told(order_id)[:4] == ["order.placed", "order.awaiting_payment", "order.confirming", "order.confirmed"]


def test_a_declined_order_is_turned_around_from_pending(shopper: Shopper):
    order_id = id_in(shopper.place(payment_method="pm_card_chargeDeclinedStolenCard"))

    assert told(order_id) == ["order.placed", "order.canceling", "order.canceled"]


@pytest.mark.parametrize("call", ["create", "confirm", "capture"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_walk_that_dies_around_a_call_is_finished_by_the_sweep(
    when: str, call: str, shopper: Shopper, sandbox: Provider, monkeypatch: pytest.MonkeyPatch
):
    original = getattr(stripe_adapter.StripeProvider, f"{call}_intent")

    def dying(self: Any, **kwargs: Any) -> Any:
        if when == "after":
            original(self, **kwargs)
        raise Died

    with monkeypatch.context() as patched:
        patched.setattr(stripe_adapter.StripeProvider, f"{call}_intent", dying)
        with pytest.raises(Died):
            shopper.place()
    order_id = Order.objects.get().pk
    assert status_of(order_id) == ("CONFIRMING" if call == "capture" else "PENDING")

    make_due()
    resume_due()

    assert (status_of(order_id), sandbox.money(order_id), levels()) == ("CONFIRMED", (1, 1250), (9, 0, 1))


@pytest.mark.parametrize("call", ["create", "confirm"])
def test_a_cancel_while_the_status_is_passed_wins(
    call: str, shopper: Shopper, sandbox: Provider, monkeypatch: pytest.MonkeyPatch, settle: Callable[[], None]
):
    original = getattr(stripe_adapter.StripeProvider, f"{call}_intent")

    def slow(self: Any, **kwargs: Any) -> Any:
        answer = original(self, **kwargs)
        cancel_order(order_id=Order.objects.get().pk, reason=CancelReason.CUSTOMER_REQUEST)
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(stripe_adapter.StripeProvider, f"{call}_intent", slow)
        answer = shopper.place()
    order_id = id_in(answer)
    settle()

    assert answer.status_code == 409
    assert (status_of(order_id), reservation(order_id), sandbox.money(order_id)) == ("CANCELED", "RELEASED", (0, 0))
    assert payment(order_id) == "VOIDED"


def toy(do: Callable[..., None]) -> tuple[Saga, ...]:
    """Return a table that passes through AWAITING_PAYMENT."""
    steps = (
        Step(do_nothing, undo=do_nothing, then="AWAITING_PAYMENT", passes=True),
        Step(do, then="CONFIRMING"),
    )
    return (Saga(name="checkout", starts="PENDING", steps=steps, unwinding="CANCELING", unwound="CANCELED"),)


def do_nothing(order: Any) -> None:
    """Take a step that is none."""


def test_what_another_worker_has_written_meanwhile_is_no_obstacle(mug: str):
    order_id = placed()

    def be_overtaken(order: Any) -> None:
        assert status_of(order_id) == "PENDING"
        with pytest.raises(ZeroDivisionError):
            engine.run(toy(break_down), order_id=order_id)
        assert status_of(order_id) == "AWAITING_PAYMENT"

    assert engine.run(toy(be_overtaken), order_id=order_id).status == "CONFIRMING"
    assert told(order_id) == ["order.placed", "order.awaiting_payment", "order.confirming"]


def break_down(order: Any) -> None:
    raise ZeroDivisionError("a bug")


def test_a_bug_leaves_the_order_where_its_walk_broke_down(mug: str):
    order_id = placed()

    with pytest.raises(ZeroDivisionError):
        engine.run(toy(break_down), order_id=order_id)

    assert status_of(order_id) == "AWAITING_PAYMENT"
    assert saga_of(order_id).parked_at is not None


def test_a_wait_in_an_order_that_was_canceled_meanwhile_goes_on_unwinding(mug: str):
    order_id = placed()

    def wait(order: Any) -> None:
        request_cancel(order_id=order_id, reason=CancelReason.CUSTOMER_REQUEST)
        raise WaitingForOutside("customer", look_again_seconds=10)

    assert engine.run(toy(wait), order_id=order_id).status == status_of(order_id) == "CANCELED"
    assert saga_of(order_id).waiting_for == ""
