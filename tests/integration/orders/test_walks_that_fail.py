"""A walk that meets a bug, an outage, a lost race or the end of its time: parked, or gone on with, and nobody else held up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import OperationalError

from orders import services
from orders.queries import get_progress
from orders.rules import CancelReason
from orders.sagas import engine
from orders.sagas.engine import Saga, Step
from orders.sagas.entry import cancel_order, resume_due
from tests.driver.orders import make_due, placed, saga_of, status_of
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
