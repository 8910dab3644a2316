"""An order whose payment is disputed at the customer's bank: what it says, what waits, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.core import mail
from django.test import Client
from django.urls import reverse

from orders.models import Order
from orders.rules import FULL_REFUNDS, CancelReason
from orders.sagas.entry import cancel_order, resume
from payments import api as payments
from payments import services, tasks
from payments.models import Dispute, Payment, Refund
from shop.clock import now
from tests.driver.factories import UserFactory
from tests.driver.mails import html_of, text_of
from tests.driver.orders import levels, payment, placed, saga_of, status_of
from tests.driver.provider import Provider, refunds_refused
from tests.driver.shop import violations
from tests.driver.shopper import Shopper
from tests.driver.tables import execute
from tests.integration.orders.disputes.bank import (
    Bank,
    confirmed,
    owed,
    parcel,
    promises_broken_without_the_list,
    times_given_back,
)
from tests.integration.orders.refunding import refund
from tests.integration.orders.test_returned_refunds import explained


def test_an_order_says_that_it_is_disputed_and_what_that_took(shopper: Shopper, bank: Bank) -> None:
    order_id = confirmed(shopper)
    before = shopper.get(f"orders/{order_id}")["ETag"]
    assert shopper.order(order_id)["payment"]["dispute"] == ""

    dispute_id = bank.dispute(order_id)
    assert shopper.order(order_id)["payment"]["dispute"] == "NEEDS_RESPONSE"
    assert shopper.get(f"orders/{order_id}")["ETag"] != before

    bank.decide(dispute_id, "lose")
    after = shopper.order(order_id)["payment"]
    assert (after["dispute"], after["lost"], after["refunded"]["amount_minor"]) == ("LOST", after["captured"], 0)


def test_a_part_is_not_refunded_while_a_dispute_is_open_by_api_nor_desk(
    shopper: Shopper, staff: Shopper, bank: Bank
) -> None:
    order_id = confirmed(shopper)
    dispute_id = bank.dispute(order_id)

    refused = refund(staff, order_id, 100)
    assert (refused.status_code, refused.json()["code"]) == (409, "payment_disputed")
    desk = UserFactory(is_staff=True)
    desk.user_permissions.set(Permission.objects.filter(codename__in=["view_payment", "refund_payment_in_full"]))
    browser = Client()
    browser.force_login(desk)
    url = reverse("admin:payments_payment_refund_one", args=[order_id])
    page = browser.post(url, {"_form_submitted": "True"}, follow=True).content.decode()
    assert "disputed" in page
    assert payment(order_id) == "CAPTURED"

    bank.decide(dispute_id, "win")
    assert refund(staff, order_id, 100).status_code == 201


def test_no_more_is_refunded_than_a_lost_dispute_has_left(shopper: Shopper, staff: Shopper, bank: Bank) -> None:
    order_id = confirmed(shopper)
    total = shopper.order(order_id)["total"]["amount_minor"]
    bank.decide(bank.dispute(order_id, amount=total - 100), "lose")

    refused = refund(staff, order_id, 101)
    assert (refused.status_code, refused.json()["code"]) == (409, "refund_exceeds_capture")
    assert refund(staff, order_id, 100).status_code == 201


def test_a_disputed_order_is_not_canceled_with_a_refund(shopper: Shopper, staff: Shopper, bank: Bank) -> None:
    order_id = confirmed(shopper)
    dispute_id = bank.dispute(order_id)

    for someone in (shopper, staff):
        refused = someone.cancel(order_id)
        assert (refused.status_code, refused.json()["code"]) == (409, "payment_disputed")
    assert status_of(order_id) == "CONFIRMED"

    bank.decide(dispute_id, "win")
    assert shopper.cancel(order_id).status_code == 200


def test_an_order_with_an_inquiry_is_canceled_which_ends_the_inquiry(shopper: Shopper, bank: Bank) -> None:
    order_id = confirmed(shopper)
    bank.dispute(order_id, inquiry=True)

    assert shopper.cancel(order_id).status_code == 200
    bank.tell()

    assert shopper.order(order_id)["payment"]["dispute"] == "WARNING_CLOSED"


@pytest.mark.parametrize(("outcome", "refunded"), [("win", True), ("lose", False)])
def test_a_cancel_that_the_dispute_overtook_waits_for_the_bank_and_ends_with_it(
    shopper: Shopper, sandbox: Provider, bank: Bank, outcome: str, refunded: bool
) -> None:
    order_id = confirmed(shopper)
    sandbox.fail("lost_request", "/v1/refunds")
    assert cancel_order(order_id=order_id, reason=CancelReason.CUSTOMER_REQUEST).status == "REFUNDING"
    dispute_id = bank.dispute(order_id)
    execute("payments", "UPDATE payments_refund SET due_at = now() WHERE due_at IS NOT NULL")
    bank.drain()
    resume(order_id=order_id)

    saga = saga_of(order_id, "refund")
    assert (status_of(order_id), saga.waiting_for, saga.parked_at, saga.attempts) == ("REFUNDING", "dispute", None, 0)
    assert (parcel(order_id), levels()) == ("CANCELED", (10, 0, 0))
    execute("orders", "UPDATE orders_saga SET started_at = now() - interval '3 days' WHERE order_id = %s", order_id)
    assert violations() == []
    assert saga.due_at is not None
    assert saga.due_at - now() > timedelta(hours=5)
    execute("orders", "UPDATE orders_saga SET started_at = started_at - interval '3 weeks'")
    assert violations() == []

    bank.decide(dispute_id, outcome)

    assert status_of(order_id) == "REFUNDED"
    assert (payment(order_id) == "REFUNDED") is refunded
    assert levels() == (10, 0, 0)
    assert sandbox.money(order_id)[1] == 0


def test_cancels_before_the_dispute_is_heard_wait_for_the_bank_and_use_up_no_try(
    shopper: Shopper, sandbox: Provider, bank: Bank
) -> None:
    order_id = confirmed(shopper)
    dispute_id = sandbox.control("POST", f"payment_intents/{sandbox.intent(order_id).id}/dispute", {})["id"]

    answers = {shopper.cancel(order_id).status_code for _click in range(FULL_REFUNDS + 2)}

    saga = saga_of(order_id, "refund")
    assert (answers, status_of(order_id)) == ({202}, "REFUNDING")
    assert (saga.waiting_for, saga.attempts, saga.parked_at) == ("dispute", 0, None)
    assert shopper.order(order_id)["payment"]["dispute"] == "NEEDS_RESPONSE"
    assert [refund.failure_code for refund in Refund.objects.all()] == ["charge_disputed"]

    bank.decide(dispute_id, "win")
    assert (status_of(order_id), sandbox.money(order_id), levels()) == ("REFUNDED", (1, 0), (10, 0, 0))
    assert times_given_back(order_id) == 1


def test_refunds_that_were_refused_for_a_dispute_do_not_count_as_tries(shopper: Shopper, sandbox: Provider) -> None:
    order_id = confirmed(shopper)
    with refunds_refused():
        shopper.cancel(order_id)
        for _walk in range(FULL_REFUNDS):
            resume(order_id=order_id)
    assert Refund.objects.filter(status="FAILED").count() == FULL_REFUNDS
    resume(order_id=order_id)
    assert (status_of(order_id), Refund.objects.count()) == ("REFUNDING", FULL_REFUNDS)
    assert levels() == (10, 0, 0)

    Refund.objects.update(failure_code="charge_disputed")
    resume(order_id=order_id)

    assert (status_of(order_id), sandbox.money(order_id)) == ("REFUNDED", (1, 0))


def test_a_canceled_unpaid_order_whose_money_was_taken_and_disputed_waits_for_the_bank(
    shopper: Shopper, staff: Shopper, sandbox: Provider, bank: Bank
) -> None:
    order_id = placed(payment_method="pm_card_authenticationRequired", customer_id=shopper.user.pk)
    resume(order_id=order_id)
    sandbox.answer_challenge(order_id, "approve")
    intent_id = sandbox.intent(order_id).id
    sandbox.stripe.v1.payment_intents.capture(intent_id)
    dispute_id = sandbox.control("POST", f"payment_intents/{intent_id}/dispute", {})["id"]
    payments.refresh_payment(order_id=order_id)
    services.sync_disputes(Payment.objects.get(pk=order_id))
    execute("orders", "UPDATE orders_order SET pay_before = now() - interval '1 second' WHERE id = %s", order_id)

    assert cancel_order(order_id=order_id, reason=CancelReason.CUSTOMER_REQUEST).status == "CANCELING"
    assert saga_of(order_id).waiting_for == "dispute"
    assert (levels(), violations()) == ((10, 0, 0), [])

    bank.decide(dispute_id, "lose")
    assert (status_of(order_id), times_given_back(order_id)) == ("CANCELED", 1)
    assert sandbox.money(order_id)[1] == 0

    bank.decide(dispute_id, "appeal")
    bank.decide(dispute_id, "win")
    assert owed(order_id) == (1250, 1)
    assert violations() == []
    assert promises_broken_without_the_list(order_id) == {"I2", "I3", "I6"}
    mail.outbox.clear()
    assert refund(staff, order_id, 1250).status_code == 201
    bank.drain()
    assert owed(order_id) == (0, 0)
    assert violations() == []
    assert len(mail.outbox) == 1


def test_stock_of_a_canceled_unpaid_order_does_not_wait_for_a_refund_that_is_refused(
    shopper: Shopper, sandbox: Provider, settle: Callable[[], None]
) -> None:
    order_id = placed(payment_method="pm_card_authenticationRequired", customer_id=shopper.user.pk)
    resume(order_id=order_id)
    sandbox.answer_challenge(order_id, "approve")
    sandbox.stripe.v1.payment_intents.capture(sandbox.intent(order_id).id)
    assert levels() == (9, 1, 0)

    with refunds_refused():
        assert cancel_order(order_id=order_id, reason=CancelReason.CUSTOMER_REQUEST).status == "CANCELING"

    assert (levels(), violations()) == ((10, 0, 0), [])
    settle()
    assert (status_of(order_id), sandbox.money(order_id), times_given_back(order_id)) == ("CANCELED", (1, 0), 1)


def test_a_card_that_disputes_at_once_holds_the_parcel_until_the_dispute_is_won(
    shopper: Shopper, sandbox: Provider, bank: Bank
) -> None:
    order_id = placed(payment_method="pm_card_createDispute", customer_id=shopper.user.pk)
    resume(order_id=order_id)
    bank.tell()
    assert (status_of(order_id), parcel(order_id)) == ("CONFIRMED", "PENDING")

    bank.decide(Dispute.objects.get().provider_dispute_id, "win")
    assert parcel(order_id) != "PENDING"


def test_a_lost_order_that_has_not_left_is_canceled_by_staff_without_a_second_refund(
    shopper: Shopper, staff: Shopper, sandbox: Provider, bank: Bank
) -> None:
    order_id = placed(payment_method="pm_card_createDispute", customer_id=shopper.user.pk)
    resume(order_id=order_id)
    bank.tell()
    bank.decide(Dispute.objects.get().provider_dispute_id, "lose")
    assert parcel(order_id) == "PENDING"

    assert staff.cancel(order_id).status_code == 200

    assert (status_of(order_id), parcel(order_id), levels()) == ("REFUNDED", "CANCELED", (10, 0, 0))
    assert not sandbox.stripe.v1.refunds.list({"payment_intent": sandbox.intent(order_id).id}).data
    bank.drain()
    told, total = explained(order_id), Order.objects.get(pk=order_id).total
    assert f"the customer's bank had already returned {total} to them, nothing was refunded" in told
    assert "the rest of its money went back" not in told
    mail_of_end = mail.outbox[-1]
    for text in (text_of(mail_of_end), html_of(mail_of_end)):
        assert "Your bank has already returned" in text
        assert total.localized() in text
        assert "on its way back" not in text
    assert "was canceled" in mail_of_end.subject
    assert Order.objects.get(pk=order_id).status == "REFUNDED"


def test_a_lost_webhook_of_a_dispute_costs_an_hour_at_most(shopper: Shopper, sandbox: Provider, bank: Bank) -> None:
    order_id = confirmed(shopper)
    sandbox.control("POST", f"payment_intents/{sandbox.intent(order_id).id}/dispute", {})

    tasks.reconcile_recent()
    bank.drain()

    assert shopper.order(order_id)["payment"]["dispute"] == "NEEDS_RESPONSE"
    assert violations() == []
