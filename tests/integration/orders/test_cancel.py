"""Canceling, paying and refunding an order in every status, and while its saga is on its way."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest
from django.db import connections

from orders.models import ORDER_TRANSITIONS
from orders.rules import CancelReason
from orders.sagas.entry import cancel_order, resume, resume_due
from orders.services import OrderBeingConfirmed
from tests.driver.orders import STATUSES, levels, make_due, payment, placed, reservation, status_of
from tests.driver.provider import Provider, close_provider_connection, in_threads
from tests.driver.shopper import Shopper

# status -> (answer, status or code) of a cancel, of a payment, of a partial refund by staff
MATRIX = {
    "PENDING": ((200, "CANCELED"), (201, "CONFIRMED"), (409, "order_not_refundable")),
    "AWAITING_PAYMENT": ((200, "CANCELED"), (201, "AWAITING_PAYMENT"), (409, "order_not_refundable")),
    "CONFIRMING": ((409, "order_being_confirmed"), (201, "CONFIRMED"), (409, "order_not_refundable")),
    "CONFIRMED": ((200, "REFUNDED"), (201, "CONFIRMED"), (201, "CONFIRMED")),
    "SHIPPED": ((409, "order_already_shipped"), (201, "SHIPPED"), (201, "SHIPPED")),
    "DELIVERED": ((409, "order_already_shipped"), (201, "DELIVERED"), (201, "DELIVERED")),
    "CANCELING": ((200, "CANCELED"), (409, "order_canceled"), (409, "order_not_refundable")),
    "CANCELED": ((200, "CANCELED"), (409, "order_canceled"), (409, "order_not_refundable")),
    "REFUNDING": ((200, "REFUNDED"), (201, "REFUNDED"), (409, "order_not_refundable")),
    "REFUNDED": ((200, "REFUNDED"), (201, "REFUNDED"), (409, "order_not_refundable")),
}


def outcome(answer: Any) -> tuple[int, str]:
    body = answer.json()
    return answer.status_code, body["status"] if answer.status_code < 400 else body["code"]


def test_the_matrix_knows_every_status():
    assert set(MATRIX) == set(ORDER_TRANSITIONS) == set(STATUSES)


@pytest.mark.parametrize("status", STATUSES)
def test_cancel_in_every_status(status: str, order_in: Callable[[str], uuid.UUID], shopper: Shopper, sandbox: Provider):
    order_id = order_in(status)

    answer = shopper.cancel(order_id)

    assert outcome(answer) == MATRIX[status][0], answer.content
    ended = status_of(order_id)
    kept = sandbox.money(order_id)[1]
    if ended in {"CANCELED", "REFUNDED"}:
        assert (levels(), kept) == ((10, 0, 0), 0)
    else:
        assert levels()[0] == 9


@pytest.mark.parametrize("status", STATUSES)
def test_pay_in_every_status(status: str, order_in: Callable[[str], uuid.UUID], shopper: Shopper, sandbox: Provider):
    order_id = order_in(status)

    answer = shopper.pay(order_id)

    assert outcome(answer) == MATRIX[status][1], answer.content
    assert sandbox.money(order_id)[0] <= 1


@pytest.mark.parametrize("status", STATUSES)
def test_partial_refund_in_every_status(
    status: str, order_in: Callable[[str], uuid.UUID], staff: Shopper, sandbox: Provider, settle: Callable[[], None]
):
    order_id = order_in(status)
    before = sandbox.money(order_id)[1]

    answer = staff.post(
        f"orders/{order_id}/refunds", {"amount": {"amount_minor": 250, "currency": "EUR"}, "reason": "a scratch"}
    )

    assert outcome(answer) == MATRIX[status][2], answer.content
    assert sandbox.money(order_id)[1] == before - (250 if answer.status_code == 201 else 0)


CALLS = {
    "create": "/v1/payment_intents",
    "confirm": "/v1/payment_intents/*/confirm",
    "capture": "/v1/payment_intents/*/capture",
}


@pytest.mark.usefixtures("mug")
@pytest.mark.parametrize("kind", ["late", "late_effect"])
@pytest.mark.parametrize("call", CALLS)
def test_a_cancel_meets_the_worker_at_every_call_to_the_provider(
    call: str, kind: str, sandbox: Provider, settings: Any, settle: Callable[[], None]
):
    settings.STRIPE_TIMEOUT_SECONDS = 20.0
    sandbox.fail(kind, CALLS[call], delay_seconds=0.7)
    order_id = placed()
    worker = Thread(target=_walk, args=(order_id,))
    worker.start()
    sandbox.wait_until_hit()

    refused = False
    try:
        cancel_order(order_id=order_id, reason=CancelReason.CUSTOMER_REQUEST)
    except OrderBeingConfirmed:
        refused = True
    worker.join()
    settle()

    captures, net = sandbox.money(order_id)
    if refused:
        assert (status_of(order_id), captures, net) == ("DELIVERED", 1, 1250)
    else:
        assert (status_of(order_id) in {"CANCELED", "REFUNDED"}, net) == (True, 0)
        assert (captures, levels()) == (1 if status_of(order_id) == "REFUNDED" else 0, (10, 0, 0))
    assert refused or call != "capture" or status_of(order_id) == "REFUNDED"


def _walk(order_id: uuid.UUID) -> None:
    try:
        resume(order_id=order_id)
    finally:
        connections.close_all()
        close_provider_connection()


@pytest.mark.parametrize("kind", ["late", "late_effect"])
def test_two_workers_unwind_one_order(
    kind: str, mug: str, sandbox: Provider, settings: Any, settle: Callable[[], None]
):
    settings.STRIPE_TIMEOUT_SECONDS = 20.0
    order_id = placed(payment_method="pm_card_authenticationRequired")
    resume(order_id=order_id)
    sandbox.fail(kind, "/v1/payment_intents/*/cancel", delay_seconds=0.5)

    in_threads(*[lambda: cancel_order(order_id=order_id, reason=CancelReason.CUSTOMER_REQUEST)] * 2)
    settle()

    assert (status_of(order_id), payment(order_id), reservation(order_id)) == ("CANCELED", "VOIDED", "RELEASED")
    assert levels() == (10, 0, 0)


DRIVEN = {
    "PENDING": "CONFIRMED",
    "AWAITING_PAYMENT": "CONFIRMED",
    "CONFIRMING": "CONFIRMED",
    "CANCELING": "CANCELED",
    "REFUNDING": "REFUNDED",
}


@pytest.mark.parametrize("status", DRIVEN)
def test_several_workers_walk_one_order_from_every_status_and_it_is_charged_once(
    status: str, order_in: Callable[[str], uuid.UUID], sandbox: Provider
):
    order_id = order_in(status)
    if status == "AWAITING_PAYMENT":
        sandbox.answer_challenge(order_id, "approve")
    make_due()

    walk = lambda: resume(order_id=order_id)  # noqa: E731
    outcomes = in_threads(walk, walk, walk, resume_due)
    resume(order_id=order_id)

    assert not [found for found in outcomes if isinstance(found, Exception)]
    assert status_of(order_id) == DRIVEN[status]
    captures, net = sandbox.money(order_id)
    assert captures == (0 if status == "CANCELING" else 1)
    assert net == (1250 if DRIVEN[status] == "CONFIRMED" else 0)


@pytest.mark.parametrize("call", CALLS)
def test_two_workers_at_one_call_to_the_provider_charge_once(
    call: str, mug: str, sandbox: Provider, settings: Any, settle: Callable[[], None]
):
    settings.STRIPE_TIMEOUT_SECONDS = 20.0
    sandbox.fail("late", CALLS[call], delay_seconds=0.5, times=2)
    order_id = placed()

    in_threads(*[lambda: resume(order_id=order_id)] * 2)
    settle()

    assert (status_of(order_id), sandbox.money(order_id)) == ("DELIVERED", (1, 1250))
    assert sum(line["held"] for line in sandbox.ledger(order_id)) == 0
