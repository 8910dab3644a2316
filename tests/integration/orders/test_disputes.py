"""An order whose payment is disputed at the customer's bank: what it says, what waits, and how it ends."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core import mail
from django.test import Client
from django.urls import reverse

from inventory.models import StockMovement
from orders.models import Order
from orders.rules import FULL_REFUNDS, CancelReason
from orders.sagas.entry import cancel_order, resume
from payments import api as payments
from payments import services, tasks
from payments.models import Dispute, Payment, Refund
from shipping import api as shipping
from shop.clock import now
from shop.events import relay
from shop.money import Money
from shop.observability.metrics import gauges
from tests.driver.factories import UserFactory
from tests.driver.logs import captured
from tests.driver.orders import dispatch, levels, payment, placed, saga_of, sent_back, status_of
from tests.driver.provider import Provider, post_signed, refunds_refused
from tests.driver.shop import violations
from tests.driver.shopper import Shopper
from tests.driver.tables import execute
from tests.integration.orders.test_refunds import refund
from tests.integration.orders.test_returned_refunds import RETURNED, explained


class Bank:
    """The customer's bank, and the provider's word of what it decides."""

    def __init__(self, sandbox: Provider, drain: Callable[[], None]) -> None:
        self.sandbox, self.drain = sandbox, drain

    def dispute(self, order_id: uuid.UUID, **asked: Any) -> str:
        intent_id = self.sandbox.intent(order_id).id
        dispute_id: str = self.sandbox.control("POST", f"payment_intents/{intent_id}/dispute", asked)["id"]
        self.tell()
        return dispute_id

    def decide(self, dispute_id: str, outcome: str) -> None:
        self.sandbox.control("POST", f"disputes/{dispute_id}/settle", {"outcome": outcome})
        self.tell()

    def tell(self) -> None:
        for event in self.sandbox.events("charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed"):
            post_signed(event)
        tasks.apply_webhooks()
        relay.drain_all()
        self.drain()


@pytest.fixture(autouse=True)
def slow_carrier(settings: Any) -> None:
    """Have the carrier fetch booked parcels in an hour."""
    settings.SANDBOX_CARRIER_TRANSIT_SECONDS = 3600.0


@pytest.fixture
def bank(sandbox: Provider, drain: Callable[[], None]) -> Bank:
    return Bank(sandbox, drain)


def confirmed(shopper: Shopper) -> uuid.UUID:
    order_id = placed(customer_id=shopper.user.pk)
    resume(order_id=order_id)
    assert status_of(order_id) == "CONFIRMED"
    return order_id


def times_given_back(order_id: uuid.UUID) -> int:
    """Return how often the stock of an order went back on the shelf."""
    return StockMovement.objects.filter(order_id=order_id, available_delta__gt=0).count()


def parcel(order_id: uuid.UUID) -> str:
    found = shipping.get_shipment(order_id=order_id)
    assert found is not None
    return found.status


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
    for text in (mail_of_end.body, mail_of_end.alternatives[0][0]):
        assert "Your bank has already returned" in text
        assert total.localized() in text
        assert "on its way back" not in text
    assert "was canceled" in mail_of_end.subject
    assert Order.objects.get(pk=order_id).status == "REFUNDED"


def test_form_of_a_refund_offers_nothing_during_a_chargeback(shopper: Shopper, bank: Bank) -> None:
    order_id = confirmed(shopper)
    assert str(payments.get_refundable(order_id=order_id)) == "12.50 EUR"

    dispute_id = bank.dispute(order_id)
    assert str(payments.get_refundable(order_id=order_id)) == "0.00 EUR"

    bank.decide(dispute_id, "win")
    assert str(payments.get_refundable(order_id=order_id)) == "12.50 EUR"
    assert payments.get_refundable(order_id=uuid.uuid4()) is None


def test_deliveries_write_a_line_where_they_hold_a_parcel_and_else_none(shopper: Shopper, bank: Bank) -> None:
    """As docs/runbooks/README.md promises to those who search the log."""
    with captured(level=logging.INFO) as printed:
        order_id = confirmed(shopper)
        bank.tell()
        dispatch(order_id)
        bank.tell()
    lines = [json.loads(line) for line in printed.getvalue().splitlines()]
    assert not [line for line in lines if line["event"] in ("event.handled", "events.handled")]
    assert {"order.resumed", "email.sent", "shipment.dispatched"} <= {line["event"] for line in lines}

    with captured(level=logging.INFO) as printed:
        other = confirmed(shopper)
        bank.dispute(other)
    lines = [json.loads(line) for line in printed.getvalue().splitlines()]
    handled = [line for line in lines if line["event"] in ("event.handled", "events.handled")]
    assert [fact["fact"] for line in handled for fact in line["facts"]] == ["shipment.held"]
    assert handled[0]["order_id"] == str(other)


def owed(order_id: uuid.UUID) -> tuple[int, float]:
    """Return what the payment says is owed, and what the alert looks at."""
    (gauge,) = [each for each in gauges() if each.name == "shop_payments_owed"]
    state = payments.get_payment(order_id=order_id)
    assert state is not None
    return state.owed.minor, gauge.read()[()]


def promises_broken_without_the_list(order_id: uuid.UUID) -> set[str]:
    """Return which promises the audit finds broken while what is owed stands in no list."""
    owes = Payment.objects.filter(pk=order_id).values_list("owed_minor", flat=True).get()
    Payment.objects.filter(pk=order_id).update(owed_minor=0)
    found = {found.partition(" ")[0] for found in violations()}
    Payment.objects.filter(pk=order_id).update(owed_minor=owes)
    return found


def lose_and_win(bank: Bank, order_id: uuid.UUID) -> None:
    """Have the bank decide for its customer, then, on appeal, for us."""
    dispute_id = bank.dispute(order_id)
    bank.decide(dispute_id, "lose")
    assert owed(order_id) == (0, 0)
    assert "owed to the customer" not in explained(order_id)
    bank.decide(dispute_id, "appeal")
    assert owed(order_id) == (0, 0)
    bank.decide(dispute_id, "win")


def return_refund(sandbox: Provider, order_id: uuid.UUID, drain: Callable[[], None]) -> None:
    sent_back(sandbox, order_id)
    drain()


@pytest.mark.usefixtures("mug")
def test_what_a_running_order_is_owed_is_owed_again_once_an_appeal_is_won(
    staff: Shopper, sandbox: Provider, bank: Bank, drain: Callable[[], None]
) -> None:
    order_id = placed(payment_method=RETURNED)
    resume(order_id=order_id)
    refund(staff, order_id, 400)
    return_refund(sandbox, order_id, drain)
    assert owed(order_id) == (400, 1)

    lose_and_win(bank, order_id)

    assert (owed(order_id), status_of(order_id)) == ((400, 1), "CONFIRMED")
    assert "4.00 EUR of a refund that did not arrive is owed" in explained(order_id)
    assert violations() == []
    assert refund(staff, order_id, 400).status_code == 201
    assert owed(order_id) == (0, 0)


@pytest.mark.usefixtures("mug")
@pytest.mark.parametrize("returned_first", [True, False])
def test_what_an_ended_order_is_owed_is_owed_again_once_an_appeal_is_won(
    staff: Shopper, sandbox: Provider, bank: Bank, drain: Callable[[], None], returned_first: bool
) -> None:
    order_id = placed(payment_method=RETURNED)
    resume(order_id=order_id)
    assert staff.cancel(order_id).json()["status"] == "REFUNDED"
    drain()
    if returned_first:
        return_refund(sandbox, order_id, drain)
        lose_and_win(bank, order_id)
    else:
        dispute_id = bank.dispute(order_id)
        bank.decide(dispute_id, "lose")
        return_refund(sandbox, order_id, drain)
        assert owed(order_id) == (0, 0)
        bank.decide(dispute_id, "appeal")
        bank.decide(dispute_id, "win")

    assert owed(order_id) == (1250, 1)
    assert violations() == []
    assert refund(staff, order_id, 1250).status_code == 201
    assert (owed(order_id), violations()) == ((0, 0), [])


def lost_and_canceled(shopper: Shopper, staff: Shopper, bank: Bank, amount: int | None) -> tuple[uuid.UUID, str]:
    """Return an order that staff canceled after its dispute was lost, and the dispute."""
    order_id = placed(customer_id=shopper.user.pk)
    resume(order_id=order_id)
    dispute_id = bank.dispute(order_id, **({} if amount is None else {"amount": amount}))
    bank.decide(dispute_id, "lose")
    assert staff.cancel(order_id).json()["status"] == "REFUNDED"
    bank.drain()
    assert (owed(order_id), violations()) == ((0, 0), [])
    return order_id, dispute_id


@pytest.mark.parametrize("amount", [None, 1000])
def test_money_of_a_canceled_order_that_an_appeal_brings_back_is_owed(
    shopper: Shopper, staff: Shopper, bank: Bank, amount: int | None
) -> None:
    order_id, dispute_id = lost_and_canceled(shopper, staff, bank, amount)
    back = amount or 1250
    bank.decide(dispute_id, "appeal")
    bank.decide(dispute_id, "win")

    assert owed(order_id) == (back, 1)
    assert "that an appeal brought back after the order's end is owed" in explained(order_id)
    assert violations() == []
    assert promises_broken_without_the_list(order_id) >= {"I6"}
    assert refund(staff, order_id, back + 1).json()["code"] == "refund_exceeds_capture"
    mail.outbox.clear()
    assert refund(staff, order_id, back).status_code == 201
    bank.drain()
    assert (owed(order_id), violations(), payment(order_id)) == ((0, 0), [], "REFUNDED")
    assert len(mail.outbox) == 1


def test_money_that_an_appeal_brings_back_can_be_paid_by_another_way(
    shopper: Shopper, staff: Shopper, bank: Bank
) -> None:
    order_id, dispute_id = lost_and_canceled(shopper, staff, bank, None)
    bank.decide(dispute_id, "appeal")
    bank.decide(dispute_id, "win")

    services.settle_owed(order_id=order_id)

    assert (owed(order_id), violations()) == ((0, 0), [])


def test_a_lost_webhook_of_a_dispute_costs_an_hour_at_most(shopper: Shopper, sandbox: Provider, bank: Bank) -> None:
    order_id = confirmed(shopper)
    sandbox.control("POST", f"payment_intents/{sandbox.intent(order_id).id}/dispute", {})

    tasks.reconcile_recent()
    bank.drain()

    assert shopper.order(order_id)["payment"]["dispute"] == "NEEDS_RESPONSE"
    assert violations() == []


def in_whole(staff: Shopper, order_id: uuid.UUID) -> None:
    total = Order.objects.get(pk=order_id).total
    assert refund(staff, order_id, total.minor).status_code == 201


def test_a_parcel_that_was_booked_does_not_leave_while_its_payment_is_disputed(shopper: Shopper, bank: Bank) -> None:
    order_id = confirmed(shopper)
    bank.drain()
    assert parcel(order_id) == "BOOKED"

    dispute_id = bank.dispute(order_id)
    bank.drain()
    assert parcel(order_id) == "PENDING"
    assert "the booking was taken back at sandbox, since the parcel is held" in explained(order_id)

    bank.decide(dispute_id, "win")
    bank.drain()
    assert parcel(order_id) == "BOOKED"
    assert violations() == []


def test_an_inquiry_that_was_refunded_in_full_leaves_the_parcel_to_staff(
    shopper: Shopper, staff: Shopper, bank: Bank
) -> None:
    order_id = confirmed(shopper)
    bank.drain()
    bank.dispute(order_id, inquiry=True)

    in_whole(staff, order_id)
    bank.tell()
    bank.drain()

    assert parcel(order_id) == "PENDING"
    told = explained(order_id)
    assert "all of its money went back" in told
    assert "a part of its money went back" not in told
    assert "staff decide: its money went back in full; cancel the order, or release its parcel" in told
    assert staff.cancel(order_id).status_code in (200, 202)
    bank.drain()
    assert (status_of(order_id), parcel(order_id), levels()) == ("REFUNDED", "CANCELED", (10, 0, 0))
    assert violations() == []


def test_the_story_tells_a_part_the_rest_and_all_of_the_money_apart(
    shopper: Shopper, staff: Shopper, bank: Bank
) -> None:
    order_id = confirmed(shopper)
    total = Order.objects.get(pk=order_id).total

    assert refund(staff, order_id, 100).status_code == 201
    bank.drain()
    assert "a part of its money went back" in explained(order_id)
    assert refund(staff, order_id, total.minor - 100).status_code == 201
    bank.drain()

    assert "the rest of its money went back, so all of it has" in explained(order_id)


def test_what_the_bank_returned_beside_our_refund_is_told_as_such(shopper: Shopper, staff: Shopper, bank: Bank) -> None:
    order_id = confirmed(shopper)
    total = Order.objects.get(pk=order_id).total
    bank.decide(bank.dispute(order_id, amount=total.minor - 100), "lose")
    bank.drain()
    assert staff.cancel(order_id).status_code in (200, 202)
    bank.drain()

    assert f"had already returned {total - Money(100, 'EUR')} to them, 1.00 EUR was refunded" in explained(order_id)
    body = mail.outbox[-1].body
    assert "we have refunded \u20ac1.00" in body
    assert f"Your bank has already returned {(total - Money(100, 'EUR')).localized()} to you" in body
