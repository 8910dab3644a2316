"""The sagas' tables; tests/proof/model holds the statuses' tables against the checked model."""

import importlib
import uuid
from datetime import UTC, datetime

import pytest

from orders.models import ENDED, ORDER_TRANSITIONS, Order, OrderStatus
from orders.queries import OrderProgress
from orders.sagas import steps as saga_steps
from orders.sagas.checkout import CHECKOUT, REFUND, SAGAS
from shop.money import Money

# The package names the function, which is called as its module is.
advancing = importlib.import_module("orders.services.advance_order")


def names(saga):
    return {status: [step.name for step in steps] for status, steps in saga.stages().items()}


def test_checkout_takes_these_steps_in_these_statuses():
    assert names(CHECKOUT) == {
        "PENDING": ["reserve_stock"],
        "AWAITING_PAYMENT": ["authorize_payment"],
        "CONFIRMING": ["commit_stock", "capture_payment"],
    }
    assert (CHECKOUT.ends, CHECKOUT.unwinding, CHECKOUT.unwound) == ("CONFIRMED", "CANCELING", "CANCELED")


def test_checkout_unwinds_the_payment_before_the_stock():
    undos = [step.undo.__name__ for step in reversed(CHECKOUT.steps) if step.undo]

    assert undos == ["void_payment", "release_stock"]


def test_only_steps_before_the_pivot_give_up_at_the_deadline():
    assert [step.name for step in CHECKOUT.steps if step.until_deadline] == ["reserve_stock", "authorize_payment"]


def test_refund_stops_the_parcel_first_and_restocks_before_the_money_that_may_have_to_wait():
    assert names(REFUND) == {"REFUNDING": ["stop_parcel", "return_stock", "refund_payment"]}
    assert (REFUND.ends, REFUND.steps[0].if_refused, REFUND.unwinding) == ("REFUNDED", saga_steps.ship_instead, None)


@pytest.mark.parametrize("status", OrderStatus.values)
def test_each_status_that_is_not_at_rest_is_driven_by_exactly_one_saga(status):
    at_rest = ORDER_TRANSITIONS.terminal | {"CONFIRMED", "SHIPPED"}

    assert [saga.name for saga in SAGAS if saga.drives(status)] == (
        [] if status in at_rest else ["refund" if status == "REFUNDING" else "checkout"]
    )


@pytest.mark.parametrize("saga", SAGAS, ids=lambda saga: saga.name)
def test_every_move_of_a_saga_is_in_the_transition_table(saga):
    for status, steps in saga.stages().items():
        assert steps[-1].then in ORDER_TRANSITIONS[status]
        assert saga.unwinding is None or saga.unwinding in ORDER_TRANSITIONS[status]


def test_each_status_is_told_of_by_one_fact():
    assert sorted(map(str, Order.STATUS_AFTER.values())) == sorted(OrderStatus)


@pytest.mark.parametrize("to", advancing.EVENT_OF_MOVE)
def test_a_saga_s_move_is_told_by_the_fact_of_its_status(to):
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    order = OrderProgress(
        order_id=uuid.uuid4(),
        status="PENDING",
        total=Money(1250, "EUR"),
        lines=(),
        payment_method="",
        pays_at_once=False,
        overdue=False,
        pay_before=moment,
        placed_at=moment,
        cancel_reason="",
    )

    assert Order.STATUS_AFTER[type(advancing.EVENT_OF_MOVE[to](order))] == to


def test_an_order_that_has_ended_is_moved_by_nothing():
    assert set(ENDED) == ORDER_TRANSITIONS.terminal
