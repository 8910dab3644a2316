"""Disputes: what a bank asks, takes, gives back, and what cannot be refunded meanwhile."""

from __future__ import annotations

import pytest
import stripe

from .clients import Control, Shop


def disputed(shop: Shop, card: str = "pm_card_createDispute") -> stripe.Dispute:
    intent = shop.captured_with(card)
    (dispute,) = shop.disputes.list({"payment_intent": intent.id}).data
    return dispute


def withdrawn(dispute: stripe.Dispute) -> list[tuple[int, int]]:
    return [(moved.amount, moved.fee) for moved in dispute.balance_transactions]


def totals(control: Control) -> tuple[int, int, int]:
    eur = control.get("ledger")["totals"]["eur"]
    return eur["disputed"], eur["dispute_fees"], eur["net"]


def test_card_that_disputes_takes_the_money_and_a_fee_once_it_is_captured(shop: Shop, control: Control) -> None:
    dispute = disputed(shop)

    assert (dispute.status, dispute.reason, dispute.amount) == ("needs_response", "fraudulent", 5000)
    assert (withdrawn(dispute), dispute.is_charge_refundable) == ([(-5000, 1500)], False)
    assert shop.stripe.v1.charges.retrieve(str(dispute.charge)).disputed is True
    assert shop.event_types()[-2:] == ["charge.dispute.created", "charge.dispute.funds_withdrawn"]
    assert totals(control) == (5000, 1500, 0)


def test_charge_that_was_charged_back_cannot_be_refunded_until_it_is_won(shop: Shop, control: Control) -> None:
    dispute = disputed(shop)
    for outcome in (None, "lose", "appeal"):
        if outcome:
            control.post(f"disputes/{dispute.id}/settle", {"outcome": outcome})
        with pytest.raises(stripe.InvalidRequestError) as caught:
            shop.refunds.create({"payment_intent": str(dispute.payment_intent)})
        assert caught.value.code == "charge_disputed"

    control.post(f"disputes/{dispute.id}/settle", {"outcome": "win"})

    assert shop.refunds.create({"payment_intent": str(dispute.payment_intent)}).amount == 5000
    assert withdrawn(shop.disputes.retrieve(dispute.id)) == [(-5000, 1500), (5000, 0)]
    assert totals(control) == (0, 1500, 0)


def test_inquiry_takes_nothing_and_ends_with_a_full_refund(shop: Shop, control: Control) -> None:
    dispute = disputed(shop, "pm_card_createDisputeInquiry")
    assert (dispute.status, withdrawn(dispute), totals(control)[2]) == ("warning_needs_response", [], 5000)

    shop.refunds.create({"payment_intent": str(dispute.payment_intent), "amount": 1})
    assert shop.disputes.retrieve(dispute.id).status == "warning_needs_response"
    shop.refunds.create({"payment_intent": str(dispute.payment_intent)})

    assert shop.disputes.retrieve(dispute.id).status == "warning_closed"


def test_inquiry_may_become_a_chargeback(shop: Shop, control: Control) -> None:
    dispute = disputed(shop, "pm_card_createDisputeInquiry")

    control.post(f"disputes/{dispute.id}/settle", {"outcome": "escalate"})

    assert withdrawn(shop.disputes.retrieve(dispute.id)) == [(-5000, 1500)]


@pytest.mark.parametrize(
    ("text", "status"),
    [("delivered on Monday", "under_review"), ("winning_evidence", "won"), ("losing_evidence", "lost")],
)
def test_evidence_decides_as_in_stripes_test_mode(shop: Shop, text: str, status: str) -> None:
    dispute = disputed(shop)

    shop.disputes.update(dispute.id, {"evidence": {"uncategorized_text": text}})

    after = shop.disputes.retrieve(dispute.id)
    assert (after.status, after.evidence_details.submission_count) == (status, 1)


def test_evidence_that_is_not_submitted_decides_nothing(shop: Shop) -> None:
    dispute = disputed(shop)

    shop.disputes.update(dispute.id, {"evidence": {"uncategorized_text": "a draft"}, "submit": False})

    assert shop.disputes.retrieve(dispute.id).status == "needs_response"


def test_dispute_is_accepted_once(shop: Shop) -> None:
    dispute = disputed(shop)

    assert shop.disputes.close(dispute.id).status == "lost"
    with pytest.raises(stripe.InvalidRequestError, match="has a status of lost"):
        shop.disputes.close(dispute.id)
    with pytest.raises(stripe.InvalidRequestError, match="already closed"):
        shop.disputes.update(dispute.id, {"evidence": {"uncategorized_text": "late"}})


def test_what_was_not_captured_cannot_be_disputed(shop: Shop, control: Control) -> None:
    assert "has not been captured" in control.refused(f"payment_intents/{shop.authorized().id}/dispute", {})


def test_orders_that_are_not_understood_are_refused(shop: Shop, control: Control) -> None:
    dispute, intent = disputed(shop), shop.captured()

    assert "outcome must be one of" in control.refused(f"disputes/{dispute.id}/settle", {"outcome": "explode"})
    assert "has a status of" in control.refused(f"disputes/{dispute.id}/settle", {"outcome": "close"})
    for wrong in ({"amount": 0}, {"amount": True}):
        assert "whole number" in control.refused(f"payment_intents/{intent.id}/dispute", wrong)
    assert "inquiry" in control.refused(f"payment_intents/{intent.id}/dispute", {"inquiry": "yes"})
    with pytest.raises(stripe.InvalidRequestError, match="No such dispute"):
        shop.disputes.retrieve("du_nobody")
