"""Refunds that are found at the provider and adopted, and pending ones that the bank is asked about."""

from __future__ import annotations

from datetime import timedelta

import pytest

from payments import api as payments
from payments import services, tasks
from payments.gateways.stripe.adapter import StripeProvider
from payments.models import Outbox, Payment, Refund
from payments.story import tell_story
from shop.clock import now
from shop.ids import new_id
from shop.money import Money
from tests.integration.payments.books import violations
from tests.integration.payments.test_refunds import refund


def reconcile():
    return payments.reconcile_payments(since=Payment.objects.get().created_at)


def carry_out(sandbox, captured, refund_id, amount):
    """Have the provider make a refund under the name of one of ours, which it was not asked for under a key of ours."""
    metadata = {"installation": "shop", "order_id": str(captured.order_id), "refund_id": str(refund_id)}
    sandbox.stripe.v1.refunds.create({"payment_intent": captured.intent_id, "amount": amount, "metadata": metadata})


def test_second_refund_under_our_refund_s_name_is_adopted(sandbox, captured, order_id):
    """A new key can carry a refund out twice: the provider's book has both, so ours must."""
    refund_id = new_id()
    refund(order_id, 1000, refund_id)
    carry_out(sandbox, captured, refund_id, 1000)

    payments.refresh_payment(order_id=order_id)

    assert payments.get_payment(order_id=order_id).refunded == Money(2000, "EUR")
    assert sorted(Refund.objects.values_list("reason", flat=True)) == ["customer", "made_at_provider"]
    assert violations() == []
    assert reconcile().repaired == ()


def test_refund_carried_out_after_it_was_given_up_is_adopted(sandbox, captured, order_id):
    sandbox.stripe.v1.refunds.create({"payment_intent": captured.intent_id, "amount": 4500})
    refund_id = new_id()
    with pytest.raises(payments.RefundRefused):
        refund(order_id, 1000, refund_id)
    carry_out(sandbox, captured, refund_id, 400)

    payments.refresh_payment(order_id=order_id)

    assert payments.get_payment(order_id=order_id).status == "REFUNDED"
    assert violations() == []


def test_room_of_a_failed_refund_is_free_before_another_is_adopted(sandbox, authorize, order_id):
    authorize("pm_card_pendingRefund")
    captured = payments.capture_payment(order_id=order_id)
    refund(order_id)
    sandbox.control("POST", f"refunds/{Refund.objects.get().provider_refund_id}/settle", {"outcome": "fail"})
    sandbox.stripe.v1.refunds.create({"payment_intent": captured.intent_id, "amount": 4000})

    payments.refresh_payment(order_id=order_id)

    assert sorted(Refund.objects.values_list("status", "amount_minor")) == [("FAILED", 4900), ("PENDING", 4000)]
    assert payments.get_payment(order_id=order_id).refunded == Money(4000, "EUR")
    assert violations() == []


def test_refund_that_cannot_be_adopted_stops_nothing_and_is_left_unresolved(sandbox, captured, order_id, authorize):
    sandbox.fail("lost_request", "/v1/refunds")
    with pytest.raises(payments.PaymentUnknown):
        refund(order_id, 4000)
    sandbox.stripe.v1.refunds.create({"payment_intent": captured.intent_id, "amount": 1500})
    other = new_id()
    authorize(order=other)
    sandbox.stripe.v1.payment_intents.capture(sandbox.intent(other).id)

    report = payments.reconcile_payments(since=Payment.objects.get(pk=order_id).created_at)

    assert [one.order_id for one in report.unresolved] == [str(order_id)]
    assert report.unresolved[0].detail == "refunded 0.00 EUR here, 15.00 EUR at the provider"
    assert [one.partition(":")[0] for one in report.repaired] == [str(other)]
    assert payments.get_payment(order_id=other).status == "CAPTURED"


def test_adopted_refund_whose_record_broke_off_is_not_made_again(sandbox, captured, order_id, all_due, monkeypatch):
    from payments.services import adopt_refunds as service

    sandbox.stripe.v1.refunds.create({"payment_intent": captured.intent_id, "amount": 1500})
    with monkeypatch.context() as broken:
        broken.setattr(service, "record_refund", lambda *_args: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            payments.refresh_payment(order_id=order_id)
    assert Refund.objects.get().status == "REQUESTED"
    all_due()

    assert tasks.resume_refunds() == 1

    assert sandbox.money(order_id) == (1, 3400)
    assert payments.get_payment(order_id=order_id).refunded == Money(1500, "EUR")
    assert violations() == []


@pytest.mark.parametrize(("outcome", "refunded", "row"), [("succeed", 4900, "SUCCEEDED"), ("fail", 0, "FAILED")])
@pytest.mark.parametrize("made_at_provider", [False, True])
def test_pending_refund_is_asked_about_until_the_bank_has_said(  # noqa: PLR0917  four of them are cases
    sandbox, authorize, order_id, all_due, made_at_provider, outcome, refunded, row
):
    authorize("pm_card_pendingRefund")
    captured = payments.capture_payment(order_id=order_id)
    if made_at_provider:
        sandbox.stripe.v1.refunds.create({"payment_intent": captured.intent_id})
        payments.refresh_payment(order_id=order_id)
    else:
        refund(order_id)
    told = Outbox.objects.count()
    assert timedelta(minutes=59) < Refund.objects.get().due_at - now() < timedelta(minutes=61)
    assert tasks.resume_refunds() == 0

    waits = []
    for _time in range(8):
        all_due()
        assert tasks.resume_refunds() == 0
        waits.append((Refund.objects.get().due_at - now()).total_seconds() / 3600)

    assert 0.7 < waits[0] < 2
    assert 18 < waits[-1] < 30
    assert (Refund.objects.get().status, Outbox.objects.count()) == ("PENDING", told)
    assert violations() == []
    sandbox.control("POST", f"refunds/{Refund.objects.get().provider_refund_id}/settle", {"outcome": outcome})
    all_due()

    assert tasks.resume_refunds() == 1

    assert (Refund.objects.get().status, Refund.objects.get().due_at) == (row, None)
    assert payments.get_payment(order_id=order_id).refunded.minor == refunded
    assert tasks.resume_refunds() == 0
    assert violations() == []


def test_pending_refund_is_not_asked_about_by_a_repeated_request(sandbox, authorize, order_id):
    authorize("pm_card_pendingRefund")
    payments.capture_payment(order_id=order_id)
    refund_id = new_id()
    refund(order_id, 1000, refund_id)
    sandbox.fail("error_500", "*", method="GET", times=None)

    assert refund(order_id, 1000, refund_id).refunded == Money(1000, "EUR")


def test_pending_refund_that_cannot_be_asked_about_now_is_asked_about_later(sandbox, authorize, order_id, all_due):
    authorize("pm_card_pendingRefund")
    payments.capture_payment(order_id=order_id)
    refund(order_id)
    sandbox.control("POST", f"refunds/{Refund.objects.get().provider_refund_id}/settle", {"outcome": "succeed"})
    sandbox.fail("error_500", "/v1/refunds", method="GET")
    all_due()
    assert tasks.resume_refunds() == 1
    all_due()

    assert tasks.resume_refunds() == 1
    assert Refund.objects.get().status == "SUCCEEDED"


def test_pending_refund_that_an_older_release_recorded_is_asked_about_too(sandbox, authorize, order_id):
    authorize("pm_card_pendingRefund")
    payments.capture_payment(order_id=order_id)
    refund(order_id)
    Refund.objects.update(due_at=None)

    tasks.reconcile_recent()
    sandbox.control("POST", f"refunds/{Refund.objects.get().provider_refund_id}/settle", {"outcome": "succeed"})

    assert tasks.resume_refunds() == 1
    assert Refund.objects.get().status == "SUCCEEDED"


def test_story_tells_that_the_bank_is_asked_about(sandbox, authorize, order_id):
    authorize("pm_card_pendingRefund")
    payments.capture_payment(order_id=order_id)
    refund(order_id)

    (upcoming,) = tell_story(order_id).upcoming

    assert upcoming.what == f"Stripe is asked what the bank made of refund {Refund.objects.get().pk}"
    assert upcoming.at == Refund.objects.get().due_at


def test_pending_refund_whose_answer_came_meanwhile_is_not_asked_about(sandbox, captured, order_id):
    refund_id = new_id()
    refund(order_id, 1000, refund_id)
    sandbox.fail("error_500", "*", method="GET", times=None)

    assert services.ask_about_pending_refund(refund_id=refund_id) == "SUCCEEDED"
    assert sandbox.calls_failed() == 0


def test_pending_refund_that_the_provider_does_not_list_stays_pending_and_is_asked_about_again(
    sandbox, authorize, order_id, all_due, monkeypatch
):
    authorize("pm_card_pendingRefund")
    payments.capture_payment(order_id=order_id)
    refund(order_id)
    monkeypatch.setattr(StripeProvider, "iter_refunds", lambda _self, **_asked: iter(()))
    all_due()

    assert tasks.resume_refunds() == 1

    kept = Refund.objects.get()
    assert (kept.status, kept.attempts > 0, kept.due_at > now()) == ("PENDING", True, True)
    assert kept.last_error.endswith(f"the provider does not list its refund {kept.provider_refund_id}")
