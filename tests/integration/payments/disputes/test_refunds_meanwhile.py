"""What cannot be refunded while a payment is disputed, what a lost dispute leaves, and refunds that were under way."""

from __future__ import annotations

import pytest
from django.db.models.functions import Now

from payments import api as payments
from payments import services, tasks
from payments.gateways.stripe import adapter as stripe_adapter
from payments.gateways.stripe import snapshots
from payments.models import Dispute, Payment, Refund
from payments.queries import payment_figures
from payments.services.owed import less_owed
from payments.services.refund import TRIES_UNEXPLAINED
from shop.ids import new_id
from shop.money import Money
from tests.driver.provider import refunds_refused
from tests.integration.payments.books import PRICE, violations
from tests.integration.payments.disputes.disputing import NOTHING, refund, state


def test_a_refund_is_refused_while_a_chargeback_is_open_and_made_once_it_is_won(dispute, hear, decide, order_id):
    dispute_id = dispute()
    hear()

    for minor in (None, 100):
        with pytest.raises(payments.PaymentDisputed) as refused:
            refund(order_id, minor)
        assert refused.value.code == "payment_disputed"
    assert not Refund.objects.exists()

    decide(dispute_id, "win")
    hear("closed")
    assert refund(order_id).status == "REFUNDED"
    assert violations() == []


def test_what_a_lost_dispute_took_is_not_refunded_again(sandbox, dispute, hear, decide, order_id):
    decide(dispute(amount=4000), "lose")
    hear()

    assert (state(order_id).lost, state(order_id).kept) == (Money(4000, "EUR"), Money(900, "EUR"))
    with pytest.raises(payments.RefundExceedsCapture):
        refund(order_id, 901)
    assert Dispute.objects.get().fee_minor == 1500
    assert violations() == []


def test_all_of_it_lost_leaves_nothing_to_refund_and_a_void_ends(dispute, hear, decide, order_id):
    decide(dispute(), "lose")
    hear()

    assert refund(order_id).refunded == NOTHING
    with pytest.raises(payments.RefundExceedsCapture):
        refund(order_id, 1)
    assert payments.void_payment(order_id=order_id, reason="test").kept == NOTHING


def test_an_inquiry_may_be_refunded_and_ends_with_that(sandbox, dispute, hear, order_id):
    dispute(inquiry=True)
    hear()
    assert state(order_id).dispute == "WARNING_NEEDS_RESPONSE"

    assert refund(order_id).status == "REFUNDED"
    hear("closed")

    assert (state(order_id).dispute, state(order_id).lost) == ("WARNING_CLOSED", NOTHING)
    assert violations() == []


def test_what_is_owed_is_lowered_by_what_a_lost_dispute_gave_the_customer(dispute, hear, decide, order_id):
    Payment.objects.update(owed_minor=3000)
    decide(dispute(amount=4000), "lose")
    hear()

    assert state(order_id).owed == Money(900, "EUR")


def test_a_refund_that_was_under_way_makes_good_for_what_the_dispute_covered(dispute, hear, decide, order_id):
    decide(dispute(), "lose")
    hear()
    services.owe_what_comes_back(order_id=order_id)
    services.owe_what_comes_back(order_id=order_id)
    assert (state(order_id).owed, Payment.objects.get().covered_minor) == (NOTHING, 4900)
    Payment.objects.update(refund_reserved_minor=1000)

    Payment.objects.update(refunded_minor=1000, refund_reserved_minor=0, **less_owed(1000))

    assert (state(order_id).owed, Payment.objects.get().covered_minor) == (NOTHING, 3900)


def test_a_refund_under_way_when_the_dispute_opened_is_settled_as_the_provider_says(sandbox, dispute, hear, order_id):
    sandbox.fail("lost_request", "/v1/refunds")
    with pytest.raises(payments.PaymentUnknown):
        refund(order_id, 1000)
    dispute()
    hear()
    Refund.objects.update(due_at=Now())
    tasks.resume_refunds()

    assert Refund.objects.get().failure_code == "charge_disputed"
    assert violations() == []


def test_a_refund_that_is_refused_for_a_dispute_nobody_has_heard_of_finds_it(dispute, decide, hear, order_id):
    dispute_id = dispute()

    with pytest.raises(payments.PaymentDisputed):
        refund(order_id)

    assert (state(order_id).dispute, state(order_id).kept) == ("NEEDS_RESPONSE", PRICE)
    assert [(each.status, each.failure_code) for each in Refund.objects.all()] == [("FAILED", "charge_disputed")]
    with pytest.raises(payments.PaymentDisputed):
        refund(order_id)
    assert Refund.objects.count() == 1
    decide(dispute_id, "win")
    hear()
    assert refund(order_id).status == "REFUNDED"
    assert violations() == []


def test_a_refund_that_is_refused_for_a_lost_dispute_nobody_has_heard_of_finds_it(dispute, decide, order_id):
    decide(dispute(amount=4000), "lose")

    with pytest.raises(payments.RefundRefused) as refused:
        refund(order_id)

    assert refused.value.by_dispute
    assert (state(order_id).lost, state(order_id).kept) == (Money(4000, "EUR"), Money(900, "EUR"))
    assert refund(order_id).refunded == Money(900, "EUR")
    assert violations() == []


def test_a_refund_that_is_refused_for_a_dispute_not_listed_yet_is_sent_again_under_its_own_id(
    captured, order_id, sandbox
):
    refund_id = new_id()
    asked = {"order_id": order_id, "refund_id": refund_id, "amount": None, "reason": "staff"}
    with refunds_refused("charge_disputed"):
        for tried in (1, 2):
            with pytest.raises(payments.PaymentUnknown):
                payments.refund_payment(**asked)
            waiting = Refund.objects.get()
            assert (waiting.status, waiting.attempts, waiting.attempt) == ("REQUESTED", tried, 1 + tried)

    assert payments.refund_payment(**asked).status == "REFUNDED"
    assert (Refund.objects.get().pk, sandbox.money(order_id)) == (refund_id, (1, 0))


def test_a_refund_that_is_refused_for_a_dispute_that_is_never_listed_fails_in_the_end(captured, order_id):
    asked = {"order_id": order_id, "refund_id": new_id(), "amount": None, "reason": "staff"}
    with refunds_refused("charge_disputed"):
        for _try in range(TRIES_UNEXPLAINED):
            with pytest.raises(payments.PaymentUnknown):
                payments.refund_payment(**asked)
        with pytest.raises(payments.RefundRefused):
            payments.refund_payment(**asked)

    assert refund(order_id).status == "REFUNDED"


def test_the_dashboard_counts_a_refused_refund_until_its_money_went_back(sandbox, captured, order_id):
    with refunds_refused(), pytest.raises(payments.RefundRefused):
        refund(order_id)
    assert payment_figures()["refunds refused"] == "1"

    refund(order_id)

    assert payment_figures()["refunds refused"] == "0"


def test_a_refund_that_is_refused_for_a_dispute_in_a_state_unknown_here_waits(dispute, order_id, monkeypatch):
    dispute()
    monkeypatch.setattr(
        stripe_adapter, "to_dispute", lambda shown: snapshots.to_dispute({**shown, "status": "arbitration"})
    )

    with pytest.raises(payments.PaymentUnknown, match="does not show"):
        refund(order_id)

    assert [(each.status, each.attempts) for each in Refund.objects.all()] == [("REQUESTED", 1)]
    assert not Dispute.objects.exists()
