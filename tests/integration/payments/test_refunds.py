"""Giving money back: in parts or whole, never more than was taken."""

from __future__ import annotations

import threading

import pytest
from django.db import IntegrityError, transaction

from payments import api as payments
from payments import tasks
from payments.gateways.stripe import adapter as stripe_adapter
from payments.gateways.stripe import snapshots
from payments.models import Outbox, Payment, Refund
from payments.services import refund as refunds
from shop.ids import new_id
from shop.money import Money
from tests.driver.provider import in_threads
from tests.integration.payments.books import violations


def refund(order_id, minor=None, refund_id=None):
    return payments.refund_payment(
        order_id=order_id,
        refund_id=refund_id or new_id(),
        amount=None if minor is None else Money(minor, "EUR"),
        reason="customer",
    )


def test_partial_refunds_add_up_to_a_full_one(sandbox, captured, order_id):
    assert refund(order_id, 1000).status == "PARTIALLY_REFUNDED"
    assert refund(order_id, 900).refunded == Money(1900, "EUR")
    assert refund(order_id).status == "REFUNDED"

    facts = [one.payload for one in Outbox.objects.filter(type="payment.refunded").order_by("id")]
    assert [(one["total"]["minor"], one["full"]) for one in facts] == [(1000, False), (1900, False), (4900, True)]
    assert sandbox.money(order_id) == (1, 0)
    assert violations() == []


def test_refund_is_made_once_however_often_it_is_asked_for(sandbox, captured, order_id):
    refund_id = new_id()

    for _time in range(3):
        refund(order_id, 1000, refund_id)

    assert sandbox.money(order_id) == (1, 3900)


def test_concurrent_calls_for_one_refund_make_it_once(sandbox, captured, order_id):
    refund_id = new_id()

    outcomes = in_threads(*[lambda: refund(order_id, 1000, refund_id)] * 8)

    # Whoever meets the provider while another one's call is under way is told to ask again.
    assert {type(one) for one in outcomes} <= {payments.PaymentState, payments.PaymentUnknown}, outcomes
    assert payments.PaymentState in {type(one) for one in outcomes}
    assert sandbox.money(order_id) == (1, 3900)


def test_two_workers_who_both_saw_no_refund_make_one(sandbox, captured, order_id, monkeypatch):
    both_have_looked = threading.Barrier(2, timeout=60)
    reserve = refunds.reserve_refund

    def reserve_together(*wanted):
        both_have_looked.wait()
        return reserve(*wanted)

    monkeypatch.setattr(refunds, "reserve_refund", reserve_together)
    refund_id = new_id()

    outcomes = in_threads(*[lambda: refund(order_id, 1000, refund_id)] * 2)

    assert {type(one) for one in outcomes} <= {payments.PaymentState, payments.PaymentUnknown}, outcomes
    assert sandbox.money(order_id) == (1, 3900)


def test_refund_that_is_still_on_its_way_is_not_made_again_by_a_second_worker(sandbox, captured, order_id):
    refund_id = new_id()
    sandbox.fail("late_effect", "/v1/refunds", delay_seconds=1.5)

    def second_worker():
        sandbox.wait_until_hit()
        return refund(order_id, 1000, refund_id)

    in_threads(lambda: refund(order_id, 1000, refund_id), second_worker)

    assert sandbox.money(order_id) == (1, 3900)


def test_a_refund_s_id_is_not_taken_for_another_amount(sandbox, captured, order_id):
    refund_id = new_id()
    payments.refund_payment(order_id=order_id, refund_id=refund_id, amount=Money(1000, "EUR"), reason="goodwill")

    with pytest.raises(payments.RefundDiffers, match="asked for before with another amount"):
        payments.refund_payment(order_id=order_id, refund_id=refund_id, amount=Money(2000, "EUR"), reason="goodwill")

    assert sandbox.money(order_id) == (1, 3900)


def test_refund_above_what_is_left_is_refused(sandbox, captured, order_id):
    refund(order_id, 4000)

    with pytest.raises(payments.RefundExceedsCapture) as refused:
        refund(order_id, 901)

    assert refused.value.refundable == Money(900, "EUR")
    assert sandbox.money(order_id) == (1, 900)


def test_refund_of_what_was_never_taken_is_refused(sandbox, authorize, order_id):
    authorize()

    with pytest.raises(payments.PaymentNotAuthorized):
        refund(order_id)


def test_concurrent_refunds_never_exceed_the_capture(sandbox, captured, order_id):
    """Hyperswitch #13182: refunds that ran at once were each checked against the same total."""
    outcomes = in_threads(*[lambda: refund(order_id, 1000)] * 10)

    refused = [one for one in outcomes if isinstance(one, payments.RefundExceedsCapture)]
    assert len(refused) == 6, outcomes
    assert sandbox.money(order_id) == (1, 900)
    assert payments.get_payment(order_id=order_id).refunded == Money(4000, "EUR")
    assert violations() == []


def test_concurrent_full_refunds_give_the_money_back_once(sandbox, captured, order_id):
    in_threads(*[lambda: refund(order_id)] * 6)

    assert payments.get_payment(order_id=order_id).status == "REFUNDED"
    assert sandbox.money(order_id) == (1, 0)
    assert violations() == []


@pytest.mark.parametrize("column", ["refunded_minor", "refund_reserved_minor", "settled_minor"])
def test_database_itself_refuses_more_than_was_captured(sandbox, captured, order_id, column):
    with pytest.raises(IntegrityError), transaction.atomic("default"):
        Payment.objects.filter(pk=order_id).update(**{column: 4901})


@pytest.mark.parametrize("fault", ["lost_answer", "lost_request", "error_500", "error_500_after_effect"])
def test_refund_without_an_answer_is_taken_up_again_and_made_once(sandbox, captured, order_id, all_due, fault):
    sandbox.fail(fault, "/v1/refunds")
    with pytest.raises(payments.PaymentUnknown):
        refund(order_id, 1000)
    assert payments.get_payment(order_id=order_id).status == "CAPTURED"
    with pytest.raises(payments.RefundExceedsCapture):
        refund(order_id, 4000)
    all_due()

    assert tasks.resume_refunds() == 1
    assert payments.get_payment(order_id=order_id).refunded == Money(1000, "EUR")
    assert sandbox.money(order_id) == (1, 3900)
    assert violations() == []


@pytest.mark.parametrize("word", ["reviewed", None])
def test_a_status_that_is_unknown_here_stands_in_no_other_refund_s_way(  # noqa: PLR0917  one of them is a case
    sandbox, captured, order_id, all_due, monkeypatch, word
):
    sandbox.fail("lost_answer", "/v1/refunds")
    with pytest.raises(payments.PaymentUnknown):
        refund(order_id, 1000)
    later = sandbox.stripe.v1.refunds.create({"payment_intent": captured.intent_id, "amount": 400}).id
    monkeypatch.setattr(
        stripe_adapter,
        "to_refund",
        lambda shown: snapshots.to_refund({**shown, "status": word} if shown["id"] == later else shown),
    )
    all_due()

    assert tasks.resume_refunds() == 1
    assert [(one.status, one.amount_minor) for one in Refund.objects.all()] == [("SUCCEEDED", 1000)]
    with pytest.raises(ValueError, match=f"refund {later} is {word}, which is not known here"):
        payments.refresh_payment(order_id=order_id)
    assert Refund.objects.count() == 1


def test_refund_refused_by_the_provider_gives_its_amount_free_again(sandbox, captured, order_id):
    sandbox.stripe.v1.refunds.create({"payment_intent": captured.intent_id, "amount": 4500})

    with pytest.raises(payments.RefundRefused):
        refund(order_id, 1000)

    assert Payment.objects.get(pk=order_id).refund_reserved_minor == 0
    assert payments.refresh_payment(order_id=order_id).refunded == Money(4500, "EUR")
    assert violations() == []


@pytest.mark.parametrize(("outcome", "refunded", "row"), [("succeed", 4900, "SUCCEEDED"), ("fail", 0, "FAILED")])
def test_pending_refund_counts_until_the_bank_says_otherwise(  # noqa: PLR0917  three of them are cases
    sandbox, authorize, order_id, outcome, refunded, row
):
    authorize("pm_card_pendingRefund")
    payments.capture_payment(order_id=order_id)
    assert refund(order_id).status == "REFUNDED"
    assert Refund.objects.get().status == "PENDING"

    sandbox.control("POST", f"refunds/{Refund.objects.get().provider_refund_id}/settle", {"outcome": outcome})
    payments.refresh_payment(order_id=order_id)
    payments.reconcile_payments(since=Payment.objects.get().created_at)

    assert Refund.objects.get().status == row
    assert payments.get_payment(order_id=order_id).refunded.minor == refunded
    assert violations() == []


def test_refund_is_under_way_until_the_bank_has_said_what_became_of_it(sandbox, authorize, order_id):
    def under_way(minor, currency="EUR", order_id=order_id):
        return payments.is_refund_under_way(order_id=order_id, amount=Money(minor, currency))

    authorize("pm_card_pendingRefund")
    payments.capture_payment(order_id=order_id)
    assert not under_way(1000)
    refund(order_id, 1000)

    assert under_way(1000)
    assert not under_way(999)
    assert not under_way(1000, currency="USD")
    assert not under_way(1000, order_id=new_id())

    sandbox.control("POST", f"refunds/{Refund.objects.get().provider_refund_id}/settle", {"outcome": "succeed"})
    payments.refresh_payment(order_id=order_id)
    payments.reconcile_payments(since=Payment.objects.get().created_at)
    assert not under_way(1000)


def test_refund_that_came_back_can_be_made_again(sandbox, authorize, order_id):
    authorize("pm_card_pendingRefund")
    payments.capture_payment(order_id=order_id)
    refund(order_id)
    sandbox.control("POST", f"refunds/{Refund.objects.get().provider_refund_id}/settle", {"outcome": "fail"})
    payments.refresh_payment(order_id=order_id)

    assert refund(order_id).refunded == Money(4900, "EUR")
    assert violations() == []


@pytest.mark.parametrize("minor", [0, -1])
def test_refund_of_nothing_or_less_is_refused(sandbox, captured, order_id, minor):
    with pytest.raises(payments.RefundExceedsCapture):
        refund(order_id, minor)

    assert not Refund.objects.exists()
    assert sandbox.money(order_id) == (1, 4900)
