"""A walk that meets a bug, an outage, a lost race or the end of its time: parked, or gone on with, and nobody else held up."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import OperationalError

from orders import services
from orders.queries import OrderNotFound, get_progress
from orders.rules import CancelReason
from orders.sagas import engine
from orders.sagas.engine import Saga, Step
from orders.sagas.entry import cancel_order, resume, resume_due
from shop.errors import Fault
from tests.driver.orders import levels, make_due, pass_deadline, placed, reservation, saga_of, status_of
from tests.driver.provider import Provider
from tests.driver.tables import execute


def toy(do: Callable[..., None]) -> tuple[Saga, ...]:
    return (Saga(name="checkout", starts="PENDING", steps=(Step(do, then="AWAITING_PAYMENT"),)),)


def test_a_bug_parks_the_saga_at_once_and_rises(mug: str, settle: Callable[[], None]):
    order_id = placed()

    def reserve_wrongly(order: Any) -> None:
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError):
        engine.run(toy(reserve_wrongly), order_id=order_id)

    saga = saga_of(order_id)
    assert (saga.parked_at is not None, saga.attempts) == (True, 1)
    assert "ZeroDivisionError: a bug" in saga.last_error
    assert [entry["outcome"] for entry in saga.log] == ["ZeroDivisionError"]
    settle()
    assert (status_of(order_id), saga_of(order_id).parked_at) == ("DELIVERED", None)


def test_a_database_that_is_away_is_no_bug(mug: str, settle: Callable[[], None]):
    order_id = placed()

    def reserve_without_a_database(order: Any) -> None:
        raise OperationalError("the connection was closed")

    with pytest.raises(OperationalError):
        engine.run(toy(reserve_without_a_database), order_id=order_id)

    assert (saga_of(order_id).parked_at, saga_of(order_id).attempts) == (None, 0)
    settle()
    assert status_of(order_id) == "DELIVERED"


def test_a_worker_whose_time_is_over_parks_no_order(mug: str, settle: Callable[[], None]):
    order_id = placed()

    def reserve_for_too_long(order: Any) -> None:
        raise SoftTimeLimitExceeded

    with pytest.raises(SoftTimeLimitExceeded):
        engine.run(toy(reserve_for_too_long), order_id=order_id)

    assert (saga_of(order_id).parked_at, saga_of(order_id).attempts) == (None, 0)
    settle()
    assert status_of(order_id) == "DELIVERED"


def test_a_worker_that_lost_the_race_goes_on_from_what_the_winner_left(mug: str):
    order_id = placed()

    def lose(order: Any) -> None:
        cancel_order(order_id=order_id, reason=CancelReason.CUSTOMER_REQUEST)

    reached = engine.run(toy(lose), order_id=order_id)

    assert reached.status == status_of(order_id) == "CANCELED"


def test_a_deadline_that_passes_during_the_walk_is_looked_at_at_once(mug: str):
    order_id = placed(payment_method="")

    def wait(order: Any) -> None:
        execute("orders", "UPDATE orders_order SET pay_before = now() - interval '1 second' WHERE id = %s", order_id)
        raise engine.WaitingForOutside("customer", look_again_seconds=3600)

    engine.run(toy(wait), order_id=order_id)

    assert get_progress(order_id=order_id).overdue
    execute("orders", "SELECT pg_sleep(0.002)")
    assert resume_due() == 1
    assert status_of(order_id) == "CANCELED"


def test_a_walk_that_was_left_behind_does_not_put_a_cancel_to_sleep(mug: str):
    order_id = placed(payment_method="")

    def wait(order: Any) -> None:
        # Whoever cancels dies before they walk the order.
        services.request_cancel(order_id=order_id, reason=CancelReason.CUSTOMER_REQUEST)
        raise engine.WaitingForOutside("payment_method", look_again_seconds=3600)

    engine.run(toy(wait), order_id=order_id)

    execute("orders", "SELECT pg_sleep(0.002)")
    assert resume_due() == 1
    assert status_of(order_id) == "CANCELED"


def test_one_order_that_fails_does_not_stop_its_neighbors(mug: str, sandbox: Provider):
    broken, sound = placed(), placed()
    execute("orders", "UPDATE orders_order SET currency = '?' WHERE id = %s", broken)

    assert resume_due() == 2

    assert (status_of(sound), status_of(broken)) == ("CONFIRMED", "PENDING")
    execute("orders", "UPDATE orders_order SET currency = 'EUR' WHERE id = %s", broken)
    make_due()
    resume_due()
    assert status_of(broken) == "CONFIRMED"


def test_a_step_that_must_not_be_refused_and_is_calls_a_human(mug: str, settle: Callable[[], None]):
    order_id = placed()

    def refuse(order: Any) -> None:
        raise services.NotPayable(order_id=str(order_id), status="PENDING")

    with pytest.raises(engine.SagaStuck, match="refuse was refused and checkout has no way back"):
        engine.run(toy(refuse), order_id=order_id)

    assert (status_of(order_id), saga_of(order_id).parked_at is not None) == ("PENDING", True)
    settle()
    assert status_of(order_id) == "DELIVERED"


def test_a_fault_after_the_race_was_lost_postpones_nothing(mug: str):
    order_id = placed()

    def lose_and_fail(order: Any) -> None:
        services.request_cancel(order_id=order_id, reason=CancelReason.CUSTOMER_REQUEST)
        raise Fault

    first = Step(lambda _order: None, then="AWAITING_PAYMENT", passes=True)
    saga = Saga(name="checkout", starts="PENDING", steps=(first, Step(lose_and_fail, then="CONFIRMING")))
    reached = engine.run((saga,), order_id=order_id)

    assert (reached.status, reached.fault) == ("CANCELING", None)
    assert (saga_of(order_id).attempts, saga_of(order_id).last_error) == (0, "")
    assert cancel_order(order_id=order_id, reason=CancelReason.CUSTOMER_REQUEST).status == "CANCELED"


def test_a_walk_that_would_wait_for_an_order_that_has_ended_wakes_nothing(mug: str):
    order_id = placed()

    def end_and_wait(order: Any) -> None:
        cancel_order(order_id=order_id, reason=CancelReason.CUSTOMER_REQUEST)
        raise engine.WaitingForOutside("customer", look_again_seconds=1)

    engine.run(toy(end_and_wait), order_id=order_id)

    saga = saga_of(order_id)
    assert (saga.finished_at is not None, saga.due_at, saga.waiting_for) == (True, None, "")
    assert status_of(order_id) == "CANCELED"


def test_an_order_whose_last_look_fails_turns_around_and_keeps_no_money(mug: str, sandbox: Provider):
    order_id = placed(payment_method="pm_card_authenticationRequired")
    resume(order_id=order_id)
    sandbox.answer_challenge(order_id, "approve")
    pass_deadline(order_id)
    sandbox.fail("error_500", "/v1/payment_intents/*", method="GET")

    assert resume(order_id=order_id).status == "CANCELED"

    assert sandbox.calls_failed() == 1
    assert sandbox.intent(order_id).status == "canceled"
    assert (reservation(order_id), levels()) == ("RELEASED", (10, 0, 0))


@pytest.mark.parametrize(
    "ask",
    [
        lambda order_id: services.request_cancel(order_id=order_id, reason=CancelReason.CUSTOMER_REQUEST),
        lambda order_id: services.provide_payment_method(order_id=order_id, payment_method="pm_card_visa"),
    ],
)
def test_there_is_nothing_to_ask_of_an_order_that_is_not_there(database: None, ask: Callable[[uuid.UUID], object]):
    with pytest.raises(OrderNotFound):
        ask(uuid.uuid4())
