"""Disputes: heard by webhook, found without one, and recorded once, in whatever order they are told."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from payments import api as payments
from payments import services, tasks
from payments.gateways import ProviderMismatch
from payments.gateways.stripe.adapter import StripeProvider
from payments.models import Dispute, Payment, WebhookEvent
from payments.services.disputes import LOOK_AFTER_THE_END
from shop.clock import now
from tests.driver.provider import in_threads
from tests.integration.payments.books import PRICE, violations
from tests.integration.payments.disputes.disputing import ALL, NOTHING, facts, state


def test_signed_webhook_of_a_dispute_is_kept_and_the_dispute_recorded(sandbox, dispute, hear, order_id):
    dispute_id = dispute(reason="product_not_received")

    hear("created")

    recorded = Dispute.objects.get()
    assert (recorded.provider_dispute_id, recorded.payment_id, recorded.status, recorded.reason) == (
        dispute_id,
        order_id,
        "NEEDS_RESPONSE",
        "product_not_received",
    )
    assert (recorded.amount_minor, recorded.withdrawn_minor, recorded.fee_minor) == (4900, 4900, 1500)
    assert recorded.evidence_due_at - now() > timedelta(days=8)
    assert (state(order_id).dispute, state(order_id).lost, state(order_id).kept) == ("NEEDS_RESPONSE", NOTHING, PRICE)
    assert facts() == [("opened", "NEEDS_RESPONSE")]
    assert WebhookEvent.objects.get().outcome == "recorded"
    assert violations() == []


def test_webhooks_doubled_and_in_any_order_end_in_the_same_state(sandbox, dispute, decide, post_webhook):
    dispute_id = dispute()
    decide(dispute_id, "win")
    for event in reversed(sandbox.events(*(f"charge.dispute.{each}" for each in ALL))):
        for _time in range(2):
            post_webhook(event)
        tasks.apply_webhooks()

    recorded = Dispute.objects.get()
    assert (recorded.status, recorded.version, recorded.withdrawn_minor, recorded.fee_minor) == ("WON", 2, 0, 1500)
    assert facts() == [("opened", "NEEDS_RESPONSE"), ("closed", "WON")]
    assert violations() == []


@pytest.mark.parametrize(
    ("outcomes", "told"),
    [
        (
            ["escalate", "lose"],
            [("opened", "WARNING_NEEDS_RESPONSE"), ("changed", "NEEDS_RESPONSE"), ("closed", "LOST")],
        ),
        (["close"], [("opened", "WARNING_NEEDS_RESPONSE"), ("closed", "WARNING_CLOSED")]),
        (["prevent"], [("opened", "WARNING_NEEDS_RESPONSE"), ("closed", "PREVENTED")]),
        (
            ["escalate", "lose", "appeal", "win"],
            [
                ("opened", "WARNING_NEEDS_RESPONSE"),
                ("changed", "NEEDS_RESPONSE"),
                ("closed", "LOST"),
                ("changed", "APPEAL_NEEDS_RESPONSE"),
                ("closed", "WON"),
            ],
        ),
    ],
)
def test_a_dispute_goes_its_way_as_the_bank_decides(dispute, decide, order_id, outcomes, told):
    dispute_id = dispute(inquiry=True)
    services.sync_disputes(Payment.objects.get())
    for outcome in outcomes:
        decide(dispute_id, outcome)
        services.sync_disputes(Payment.objects.get())
        assert violations() == []

    assert facts() == told
    assert state(order_id).lost == (PRICE if told[-1] == ("closed", "LOST") else NOTHING)


def test_a_dispute_first_seen_when_it_is_over_is_opened_and_closed(dispute, decide, order_id):
    decide(dispute(), "lose")

    assert services.sync_disputes(Payment.objects.get()) is True
    assert services.sync_disputes(Payment.objects.get()) is False

    assert facts() == [("opened", "NEEDS_RESPONSE"), ("closed", "LOST")]
    assert violations() == []


def test_a_dispute_whose_webhooks_were_all_lost_is_found_by_the_hourly_reconciliation(dispute, order_id):
    dispute()
    assert [(found.promise, found.subject) for found in violations()] == [("I11", str(order_id))]

    assert tasks.reconcile_recent() == 1

    assert Dispute.objects.get().status == "NEEDS_RESPONSE"
    assert violations() == []
    assert tasks.reconcile_recent() == 0


def test_a_dispute_of_two_days_ago_is_found_by_the_hourly_reconciliation(sandbox, dispute):
    dispute()
    sandbox.control("POST", "clock", {"advance_seconds": 1})

    with pytest.MonkeyPatch.context() as later:
        later.setattr(tasks, "now", lambda: now() + timedelta(days=2))
        tasks.reconcile_recent()

    assert Dispute.objects.exists()


def test_an_end_whose_webhook_was_lost_is_found_by_asking(dispute, hear, decide, order_id):
    dispute_id = dispute()
    hear()
    decide(dispute_id, "lose")
    assert tasks.ask_about_disputes() == 0
    Dispute.objects.update(due_at=Now())

    assert tasks.ask_about_disputes() == 1
    assert state(order_id).dispute == "LOST"


def test_money_that_is_reinstated_after_the_end_is_still_asked_for(dispute, hear, decide, order_id):
    decide(dispute(), "lose")
    hear()
    assert Dispute.objects.get().due_at is not None

    Dispute.objects.update(closed_at=Now() - LOOK_AFTER_THE_END, due_at=Now())
    tasks.ask_about_disputes()

    assert Dispute.objects.get().due_at is None


def test_an_older_answer_never_overwrites_a_newer_one(dispute, hear, decide, order_id, monkeypatch):
    dispute_id = dispute()
    hear()
    late = StripeProvider.retrieve_dispute
    asked: list[str] = []

    def overtaken(self, *, provider_dispute_id):
        seen = late(self, provider_dispute_id=provider_dispute_id)
        if not asked:
            asked.append(seen.status)
            decide(dispute_id, "win")
            services.sync_disputes(Payment.objects.get())
        return seen

    monkeypatch.setattr(StripeProvider, "retrieve_dispute", overtaken)
    services.ask_about_dispute(dispute_id=Dispute.objects.get().pk)

    assert asked == ["NEEDS_RESPONSE"]
    assert Dispute.objects.get().status == "WON"
    assert facts() == [("opened", "NEEDS_RESPONSE"), ("closed", "WON")]


def test_many_at_once_record_one_dispute_once(dispute, order_id):
    dispute()
    payment = Payment.objects.get()

    outcomes = in_threads(*[lambda: services.sync_disputes(payment)] * 6)

    assert {type(one) for one in outcomes} <= {bool, payments.PaymentUnknown}, outcomes
    assert (Dispute.objects.count(), facts()) == (1, [("opened", "NEEDS_RESPONSE")])
    assert violations() == []


@pytest.mark.parametrize("kind", ["error_500", "lost_answer", "rate_limited"])
def test_a_provider_that_does_not_answer_postpones_the_notice_and_nothing_is_lost(
    sandbox, dispute, hear, all_due, kind
):
    dispute()
    sandbox.fail(kind, "/v1/disputes*", method="GET")
    hear("created")
    assert not Dispute.objects.exists()
    assert WebhookEvent.objects.get().attempts == 1

    all_due()
    tasks.apply_webhooks()
    assert Dispute.objects.get().status == "NEEDS_RESPONSE"


def test_a_dispute_that_is_recorded_anew_each_time_it_is_asked_about_is_unknown(dispute, hear, monkeypatch):
    dispute()
    hear()
    ask = StripeProvider.retrieve_dispute

    def overtaken(self, *, provider_dispute_id):
        seen = ask(self, provider_dispute_id=provider_dispute_id)
        services.sync_disputes(Payment.objects.get())
        return seen

    monkeypatch.setattr(StripeProvider, "retrieve_dispute", overtaken)

    with pytest.raises(payments.PaymentUnknown, match="keeps moving"):
        services.ask_about_dispute(dispute_id=Dispute.objects.get().pk)
    assert facts() == [("opened", "NEEDS_RESPONSE")]


def test_a_dispute_about_which_the_provider_does_not_answer_is_asked_about_later(sandbox, dispute, hear):
    dispute()
    hear()
    Dispute.objects.update(due_at=Now())
    sandbox.fail("error_500", "/v1/disputes/*", method="GET")

    assert tasks.ask_about_disputes() == 1

    kept = Dispute.objects.get()
    assert (kept.attempts, kept.due_at > now(), "payment_unknown" in kept.last_error) == (1, True, True)


def test_a_move_that_no_dispute_makes_is_refused_and_nothing_is_recorded(dispute, hear):
    dispute()
    hear()
    Dispute.objects.update(status="PREVENTED", reason="kept")

    with pytest.raises(ProviderMismatch, match="went from PREVENTED to NEEDS_RESPONSE"):
        services.ask_about_dispute(dispute_id=Dispute.objects.get().pk)
    assert (Dispute.objects.get().status, Dispute.objects.get().reason) == ("PREVENTED", "kept")
    assert facts() == [("opened", "NEEDS_RESPONSE")]
