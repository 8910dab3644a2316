"""What becomes of an order: each journey over the API, with the events delivered and the audit clean at its end."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django.core import mail
from django.db.models import Count

from inventory import api as inventory
from inventory.models import Reservation
from notifications.models import Email
from orders.models import Order
from payments import api as payments
from payments.models import Payment
from shop.money import Money
from tests.driver.orders import levels, pass_deadline, payment, placed, reservation, saga_of, status_of
from tests.driver.provider import Provider
from tests.driver.shopper import Shopper, id_in
from tests.driver.tables import execute


def test_an_order_is_confirmed_shipped_delivered_and_mailed(
    shopper: Shopper, sandbox: Provider, drain: Callable[[], None]
):
    answer = shopper.place(quantity=2)

    order_id = id_in(answer)
    assert answer.status_code == 201, answer.content
    assert (answer.json()["status"], answer.json()["next_action"]) == ("CONFIRMED", "none")
    assert answer["Location"].endswith(f"/api/v1/orders/{order_id}")
    assert answer.json()["total"] == {
        "amount_minor": 2500,
        "currency": "EUR",
        "exponent": 2,
        "formatted": "25.00",
    }
    assert answer.json()["payment"]["captured"]["amount_minor"] == 2500
    assert (levels(), sandbox.money(order_id)) == ((8, 0, 2), (1, 2500))
    drain()
    told = shopper.order(order_id)
    assert told["status"] == "DELIVERED"
    assert told["tracking_number"]
    assert [message.to for message in mail.outbox] == [[shopper.user.email]] * 2


def test_a_card_declined_for_good_is_answered_402_and_everything_is_undone(
    shopper: Shopper, sandbox: Provider, drain: Callable[[], None]
):
    answer = shopper.place(payment_method="pm_card_chargeDeclinedLostCard")

    order_id = id_in(answer)
    body = answer.json()
    assert (answer.status_code, answer["Content-Type"]) == (402, "application/problem+json")
    # That it was reported lost is for staff only.
    assert (body["code"], body["facts"]["decline_code"]) == ("card_declined", "card_declined")
    assert "lost" not in answer.content.decode()
    assert Payment.objects.get(order_id=order_id).decline_code == "lost_card"
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
    shopper: Shopper, sandbox: Provider, post_webhook: Callable[..., Any], drain: Callable[[], None]
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


def test_an_order_whose_authentication_fails_at_the_bank_waits_for_another_card(
    shopper: Shopper, sandbox: Provider, post_webhook: Callable[..., Any], drain: Callable[[], None]
):
    order_id = id_in(shopper.place(payment_method="pm_card_authenticationRequired"))

    sandbox.answer_challenge(order_id, "fail")
    for event in sandbox.events("payment_intent.payment_failed"):
        post_webhook(event)
    drain()

    assert (status_of(order_id), payment(order_id)) == ("AWAITING_PAYMENT", "DECLINED")
    assert shopper.order(order_id)["next_action"] == "provide_payment_method"
    assert shopper.pay(order_id, "pm_card_visa").json()["status"] == "CONFIRMED"


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


def test_a_payment_approved_in_time_whose_webhook_was_lost_is_not_canceled_at_the_deadline(
    shopper: Shopper, sandbox: Provider, settle: Callable[[], None]
):
    order_id = id_in(shopper.place(payment_method="pm_card_authenticationRequired"))
    sandbox.answer_challenge(order_id, "approve")

    pass_deadline(order_id)
    settle()

    assert (status_of(order_id), payment(order_id)) == ("DELIVERED", "CAPTURED")
    assert sandbox.money(order_id) == (1, 1250)


def test_a_worker_that_died_after_the_authorization_costs_no_order_at_the_deadline(
    shopper: Shopper, sandbox: Provider, settle: Callable[[], None]
):
    """The walk had passed into AWAITING_PAYMENT without writing it: the order is PENDING, its card is charged for."""
    order_id = placed(customer_id=shopper.user.pk)
    inventory.reserve_stock(order_id=order_id, lines=(inventory.Line("MUG", 1),), for_payment=True)
    payments.authorize_payment(order_id=order_id, amount=Money(1250, "EUR"), payment_method="pm_card_visa")
    assert status_of(order_id) == "PENDING"

    pass_deadline(order_id)
    settle()

    assert (status_of(order_id), sandbox.money(order_id)) == ("DELIVERED", (1, 1250))


def test_a_provider_that_does_not_answer_at_the_deadline_unwinds_the_order(
    shopper: Shopper, sandbox: Provider, settle: Callable[[], None]
):
    order_id = id_in(shopper.place(payment_method="pm_card_authenticationRequired"))
    sandbox.fail("reset", "/v1/payment_intents/*", method="GET", times=1)

    pass_deadline(order_id)
    settle()

    assert (status_of(order_id), sandbox.money(order_id)) == ("CANCELED", (0, 0))


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


def test_a_new_card_for_an_order_that_a_declined_card_canceled_was_not_declined(shopper: Shopper, sandbox: Provider):
    declined = "pm_card_chargeDeclinedLostCard"
    order_id = id_in(shopper.post("orders", _without_payment_method()))
    first = shopper.pay(order_id, declined, key="first-card")
    assert (first.status_code, first.json()["code"]) == (402, "card_declined")

    other = shopper.pay(order_id, "pm_card_visa")

    told = {"order_id": str(order_id), "order_status": "CANCELED", "cancel_reason": "card_declined"}
    assert (other.status_code, other.json()["code"], other.json()["facts"]) == (409, "order_canceled", told)
    assert "was not tried" in other.json()["detail"]
    assert "Location" in other
    kept = shopper.pay(order_id, declined, key="first-card")
    assert (kept.status_code, kept["Idempotent-Replayed"], kept.content) == (402, "true", first.content)
    same = shopper.pay(order_id, declined)
    assert (same.status_code, same.json()["facts"]["decline_code"]) == (402, "card_declined")
    assert sandbox.money(order_id) == (0, 0)


def test_a_new_card_for_an_order_that_an_unknown_token_canceled_is_not_told_of_that_token(shopper: Shopper):
    order_id = id_in(shopper.place(payment_method="pm_nobody_knows_it"))

    other = shopper.pay(order_id, "pm_card_visa")

    told = {"order_id": str(order_id), "order_status": "CANCELED", "cancel_reason": "refused"}
    assert (other.status_code, other.json()["code"], other.json()["facts"]) == (409, "order_canceled", told)


def test_an_order_canceled_before_its_payment_names_its_own_currency(shopper: Shopper, sandbox: Provider):
    order_id = id_in(shopper.post("orders", _without_payment_method()))

    canceled = shopper.cancel(order_id).json()

    read, listed = shopper.order(order_id), shopper.get("orders").json()["results"][0]
    nothing = {"amount_minor": 0, "currency": "EUR", "exponent": 2, "formatted": "0.00"}
    for shown in (canceled, read, listed):
        assert shown["payment"]["status"] == "VOIDED"
        assert [shown["payment"][name] for name in ("captured", "refunded", "owed", "lost")] == [nothing] * 4


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


def test_another_payment_method_is_refused_while_nobody_knows_about_the_one_before(shopper: Shopper, sandbox: Provider):
    sandbox.fail("lost_answer", "/v1/payment_intents/*/confirm")
    order_id = id_in(shopper.place())

    answer = shopper.pay(order_id, "pm_card_mastercard")

    assert (answer.status_code, answer.json()["code"]) == (409, "order_not_payable")
    assert shopper.pay(order_id).json()["status"] == "CONFIRMED"


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
    from tests.driver.factories import OrderBodyFactory

    body: dict[str, object] = OrderBodyFactory()
    del body["payment_method"]
    return body


def test_a_token_that_nobody_knows_is_not_told_as_the_banks_refusal(
    shopper: Shopper, sandbox: Provider, drain: Callable[[], None]
):
    answer = shopper.place(payment_method="pm_nobody_knows_this_one")
    drain()

    body = answer.json()
    assert (answer.status_code, body["code"]) == (409, "payment_method_refused")
    assert body["facts"]["cancel_reason"] == "refused"
    assert "declined" not in str(mail.outbox[0].body)


def test_the_facts_of_a_canceled_order_have_the_types_of_a_refusal(shopper: Shopper):
    order_id = id_in(shopper.place(headers={"Prefer": "respond-async"}))
    inventory.change_product(sku="MUG", name="Mug", price=Money(1250, "EUR"), active=False)

    answer = shopper.pay(order_id)

    assert (answer.status_code, answer.json()["code"]) == (409, "unknown_product"), answer.content
    assert answer.json()["facts"]["skus"] == ["MUG"]
    assert answer.json()["facts"]["order_id"] == str(order_id)


def test_why_an_order_was_canceled_is_null_while_it_is_not(shopper: Shopper):
    order_id = id_in(shopper.place())
    assert shopper.order(order_id)["cancel_reason"] is None

    assert shopper.cancel(order_id).json()["cancel_reason"] == "customer_request"


def test_one_account_sends_a_stranger_so_many_emails_and_the_audit_knows_those_withheld(
    shopper: Shopper, settings: Any, drain: Callable[[], None]
):
    settings.MAX_UNPAID_ORDER_EMAILS = 3

    for _attempt in range(5):
        shopper.place(email="stranger@example.org", payment_method="pm_card_chargeDeclinedStolenCard")
    paid = id_in(shopper.place(email="stranger@example.org"))
    drain()

    told = Email.objects.filter(kind="order_canceled").values_list("status").annotate(Count("pk"))
    assert dict(told) == {"SENT": 3, "WITHHELD": 2}
    assert len(mail.outbox) == Email.objects.filter(status="SENT").count()
    assert {email.status for email in Email.objects.filter(order_id=paid)} == {"SENT"}
