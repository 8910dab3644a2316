"""What becomes of an order: each journey over the API, with the events delivered and the audit clean at its end."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from django.core import mail

from inventory.models import Reservation
from orders.models import Order
from tests.integration.orders.conftest import (
    Shopper,
    execute,
    id_in,
    levels,
    pass_deadline,
    payment,
    reservation,
    saga_of,
    status_of,
)
from tests.provider import Provider


def test_an_order_is_confirmed_shipped_delivered_and_mailed(
    shopper: Shopper, sandbox: Provider, drain: Callable[[], None]
):
    answer = shopper.place(quantity=2)

    order_id = id_in(answer)
    assert answer.status_code == 201, answer.content
    assert (answer.json()["status"], answer.json()["next_action"]) == ("CONFIRMED", "none")
    assert answer["Location"].endswith(f"/api/v1/orders/{order_id}")
    assert answer.json()["total"] == {"amount_minor": 2500, "currency": "EUR", "formatted": "25.00"}
    assert answer.json()["payment"]["captured"]["amount_minor"] == 2500
    assert (levels(), sandbox.money(order_id)) == ((8, 0, 2), (1, 2500))
    drain()
    told = shopper.order(order_id)
    assert told["status"] == "DELIVERED"
    assert told["tracking_number"]
    assert [message.to for message in mail.outbox] == [[shopper.user.email]] * 2


def test_a_declined_card_is_answered_402_and_everything_is_undone(
    shopper: Shopper, sandbox: Provider, drain: Callable[[], None]
):
    answer = shopper.place(payment_method="pm_card_chargeDeclinedInsufficientFunds")

    order_id = id_in(answer)
    body = answer.json()
    assert (answer.status_code, answer["Content-Type"]) == (402, "application/problem+json")
    assert (body["code"], body["facts"]["decline_code"]) == ("card_declined", "insufficient_funds")
    assert body["facts"]["cancel_reason"] == "card_declined"
    assert (status_of(order_id), reservation(order_id), payment(order_id)) == ("CANCELED", "RELEASED", "VOIDED")
    assert sandbox.intent(order_id).status == "canceled"
    assert (levels(), sandbox.money(order_id)) == ((10, 0, 0), (0, 0))
    drain()
    assert len(mail.outbox) == 1


def test_out_of_stock_is_answered_409_and_the_provider_is_never_asked(shopper: Shopper, sandbox: Provider):
    answer = shopper.place(quantity=11)

    order_id = id_in(answer)
    facts = answer.json()["facts"]
    assert (answer.status_code, answer.json()["code"]) == (409, "insufficient_stock")
    assert (facts["sku"], facts["wanted"], facts["available"]) == ("MUG", 11, 10)
    assert (status_of(order_id), reservation(order_id)) == ("CANCELED", "SHORT")
    assert sandbox.intents(order_id) == []
    assert levels() == (10, 0, 0)


def test_an_order_authenticated_by_its_customer_goes_on_with_the_webhook(
    shopper: Shopper, sandbox: Provider, post_webhook: Callable[..., object], drain: Callable[[], None]
):
    answer = shopper.place(payment_method="pm_card_authenticationRequired")
    order_id = id_in(answer)
    assert (answer.status_code, answer.json()["next_action"]) == (201, "authenticate")
    assert answer.json()["payment"]["client_secret"] == sandbox.intent(order_id).client_secret
    assert saga_of(order_id).waiting_for == "customer"

    sandbox.answer_challenge(order_id, "approve")
    for event in sandbox.events("payment_intent.amount_capturable_updated"):
        assert post_webhook(event).status_code == 200
    drain()

    assert shopper.order(order_id)["status"] == "DELIVERED"
    assert sandbox.money(order_id) == (1, 1250)


def test_an_order_authenticated_by_its_customer_goes_on_when_the_storefront_says_so(
    shopper: Shopper, sandbox: Provider
):
    order_id = id_in(shopper.place(payment_method="pm_card_authenticationRequired"))
    sandbox.answer_challenge(order_id, "approve")

    answer = shopper.pay(order_id)

    assert (answer.status_code, answer.json()["status"]) == (201, "CONFIRMED")
    assert sandbox.money(order_id) == (1, 1250)


def test_a_storefront_that_lost_the_client_secret_gets_it_again(shopper: Shopper, sandbox: Provider):
    order_id = id_in(shopper.place(payment_method="pm_card_authenticationRequired"))
    assert "client_secret" not in shopper.order(order_id)["payment"]

    answer = shopper.pay(order_id)

    assert (answer.status_code, answer.json()["next_action"]) == (201, "authenticate")
    assert answer.json()["payment"]["client_secret"] == sandbox.intent(order_id).client_secret


def test_an_authentication_that_fails_at_the_bank_cancels_the_order(
    shopper: Shopper, sandbox: Provider, post_webhook: Callable[..., object], drain: Callable[[], None]
):
    order_id = id_in(shopper.place(payment_method="pm_card_authenticationRequired"))

    sandbox.answer_challenge(order_id, "fail")
    for event in sandbox.events("payment_intent.payment_failed"):
        post_webhook(event)
    drain()

    assert (status_of(order_id), sandbox.intent(order_id).status) == ("CANCELED", "canceled")
    assert Order.objects.get(pk=order_id).cancel_reason == "card_declined"
    assert levels() == (10, 0, 0)


def test_an_abandoned_authentication_is_unwound_at_its_deadline(
    shopper: Shopper, sandbox: Provider, settle: Callable[[], None]
):
    order_id = id_in(shopper.place(payment_method="pm_card_authenticationRequired"))
    settle()
    assert status_of(order_id) == "AWAITING_PAYMENT"

    pass_deadline(order_id)
    settle()

    assert (status_of(order_id), sandbox.intent(order_id).status) == ("CANCELED", "canceled")
    assert Order.objects.get(pk=order_id).cancel_reason == "payment_abandoned"
    assert levels() == (10, 0, 0)


def test_an_order_without_a_payment_method_waits_and_is_paid_later(
    shopper: Shopper, sandbox: Provider, drain: Callable[[], None]
):
    answer = shopper.post("orders", _without_payment_method())
    order_id = id_in(answer)
    assert (answer.status_code, answer.json()["next_action"]) == (201, "provide_payment_method")
    assert (reservation(order_id), payment(order_id)) == ("HELD", "")
    drain()

    paid = shopper.pay(order_id, "pm_card_visa")

    assert (paid.status_code, paid.json()["status"]) == (201, "CONFIRMED")
    assert sandbox.money(order_id) == (1, 1250)


def test_an_order_without_a_payment_method_expires(shopper: Shopper, sandbox: Provider, drain: Callable[[], None]):
    order_id = id_in(shopper.post("orders", _without_payment_method()))

    pass_deadline(order_id)
    execute("inventory", "UPDATE inventory_reservation SET expires_at = now() WHERE order_id = %s", order_id)
    drain()

    assert (status_of(order_id), payment(order_id)) == ("CANCELED", "VOIDED")
    assert Reservation.objects.get(pk=order_id).status in {"EXPIRED", "RELEASED"}
    late = shopper.pay(order_id, "pm_card_visa")
    assert (late.status_code, late.json()["facts"]["cancel_reason"]) == (409, "payment_abandoned")
    assert sandbox.intents(order_id) == []
    assert levels() == (10, 0, 0)


def test_a_hold_that_ran_out_before_its_payment_cancels_the_order(shopper: Shopper, sandbox: Provider):
    order_id = id_in(shopper.post("orders", _without_payment_method()))
    execute("inventory", "UPDATE inventory_reservation SET expires_at = now() WHERE order_id = %s", order_id)

    answer = shopper.pay(order_id, "pm_card_visa")

    assert (answer.status_code, answer.json()["facts"]["cancel_reason"]) == (409, "reservation_expired")
    assert sandbox.intents(order_id) == []


def test_another_payment_method_is_refused_once_one_is_given(shopper: Shopper, sandbox: Provider):
    order_id = id_in(shopper.place(payment_method="pm_card_authenticationRequired"))

    answer = shopper.pay(order_id, "pm_card_visa")

    assert (answer.status_code, answer.json()["code"]) == (409, "order_not_payable")


def test_respond_async_records_the_order_and_answers_202_at_once(
    shopper: Shopper, sandbox: Provider, drain: Callable[[], None]
):
    key = str(uuid.uuid4())

    answer = shopper.place(key=key, headers={"Prefer": "Respond-Async, wait=5"})

    order_id = id_in(answer)
    assert (answer.status_code, answer.json()["status"]) == (202, "PENDING")
    assert (answer["Preference-Applied"], answer["Retry-After"]) == ("respond-async", "1")
    assert sandbox.intents(order_id) == []
    drain()
    assert shopper.order(order_id)["status"] == "DELIVERED"
    again = shopper.place(key=key, headers={"Prefer": "respond-async"})
    assert (again.status_code, id_in(again)) == (201, order_id)
    assert sandbox.money(order_id) == (1, 1250)


def _without_payment_method() -> dict[str, object]:
    from tests.factories import OrderBodyFactory

    body: dict[str, object] = OrderBodyFactory()
    del body["payment_method"]
    return body
