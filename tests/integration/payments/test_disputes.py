"""Disputes: heard by webhook, found without one, in the books to the cent; and what cannot be refunded meanwhile."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F
from django.db.models.functions import Now

from payments import api as payments
from payments import rules, services, tasks
from payments.gateways.stripe import adapter as stripe_adapter
from payments.gateways.stripe import snapshots
from payments.gateways.stripe.adapter import StripeProvider
from payments.models import Dispute, DisputeStatus, Outbox, Payment, Refund, WebhookEvent
from payments.queries import count_open_disputes, payment_figures, seconds_to_answer
from payments.services.owed import less_owed
from payments.services.refund import TRIES_UNEXPLAINED
from payments.story import tell_story
from shop.clock import now
from shop.ids import new_id
from shop.money import Money
from tests.driver.provider import in_threads, refunds_refused
from tests.integration.payments.books import PRICE, violations

ALL = ("created", "updated", "closed", "funds_withdrawn", "funds_reinstated")
NOTHING = Money(0, "EUR")


def refund(order_id, minor=None):
    amount = None if minor is None else Money(minor, "EUR")
    return payments.refund_payment(order_id=order_id, refund_id=new_id(), amount=amount, reason="staff")


def state(order_id):
    return payments.get_payment(order_id=order_id)


def reconcile():
    return payments.reconcile_payments(since=now() - timedelta(hours=1))


def facts():
    told = Outbox.objects.filter(type__startswith="payment.dispute_").order_by("id")
    return [(fact.type.removeprefix("payment.dispute_"), fact.payload["status"]) for fact in told]


@pytest.fixture
def dispute(sandbox, captured, order_id):
    """Return a function that has the customer's bank dispute the captured payment, without a word to us."""

    def run(**asked):
        return sandbox.control("POST", f"payment_intents/{captured.intent_id}/dispute", asked)["id"]

    return run


@pytest.fixture
def hear(sandbox, post_webhook):
    """Return a function that delivers the provider's webhooks of disputes and applies them."""

    def run(*which, times=1):
        for event in sandbox.events(*(f"charge.dispute.{each}" for each in which or ALL)):
            for _time in range(times):
                assert post_webhook(event).json() == {"received": True, "kept": True}
        tasks.apply_webhooks()

    return run


@pytest.fixture
def decide(sandbox):
    def run(dispute_id, outcome):
        sandbox.control("POST", f"disputes/{dispute_id}/settle", {"outcome": outcome})

    return run


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
    real = tasks.now

    with pytest.MonkeyPatch.context() as later:
        later.setattr(tasks, "now", lambda: real() + timedelta(days=2))
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

    Dispute.objects.update(closed_at=Now() - rules.LOOK_AFTER_DISPUTES, due_at=Now())
    tasks.ask_about_disputes()

    assert Dispute.objects.get().due_at is None


def test_an_older_answer_never_overwrites_a_newer_one(dispute, hear, decide, order_id, monkeypatch):
    dispute_id = dispute()
    hear()
    late, asked = StripeProvider.retrieve_dispute, []

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


def test_a_status_that_is_unknown_here_is_named_and_never_recorded(dispute, hear, order_id, monkeypatch):
    dispute()
    monkeypatch.setattr(
        stripe_adapter, "to_dispute", lambda shown: snapshots.to_dispute({**shown, "status": "arbitration"})
    )
    hear("created")

    assert (Dispute.objects.count(), WebhookEvent.objects.get().outcome) == (0, "mismatch")
    (named,) = reconcile().unresolved
    assert named.detail.endswith("is arbitration, which is unknown here")


@pytest.mark.parametrize(
    "columns", [{"fee_minor": F("fee_minor") + 1}, {"withdrawn_minor": 4899}, {"amount_minor": 1}, {"status": "WON"}]
)
def test_books_that_differ_in_a_cent_are_named_and_repaired(dispute, hear, order_id, columns):
    dispute()
    hear()
    Dispute.objects.update(**columns)
    assert "I11" in [found.promise for found in violations()]

    assert len(reconcile().repaired) == 1
    if "status" not in columns:
        assert violations() == []


def test_a_dispute_that_the_provider_has_never_heard_of_is_named(sandbox, dispute, hear, order_id):
    dispute()
    hear()
    Dispute.objects.update(provider_dispute_id="du_elsewhere")

    told = [found.detail for found in violations() if found.promise == "I11"]

    assert any(detail.endswith("and the provider knows no such dispute") for detail in told)


@pytest.mark.parametrize("columns", [{"dispute_status": ""}, {"lost_minor": 1}, {"covered_minor": 1}])
def test_a_payment_that_says_otherwise_than_its_disputes_is_named(dispute, hear, order_id, columns):
    dispute()
    hear()
    Payment.objects.update(**columns)

    assert [found.promise for found in violations()] == ["I4"]


@pytest.mark.parametrize("due_at", [None, Now() - timedelta(hours=2)])
def test_an_open_dispute_that_nobody_asks_about_is_named(dispute, hear, order_id, due_at):
    dispute()
    hear()
    Dispute.objects.update(due_at=due_at)

    assert [found.promise for found in violations()] == ["I10"]


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


def test_the_alert_knows_how_long_is_left_and_what_is_open(dispute, hear, decide):
    assert seconds_to_answer() == {}
    dispute_id = dispute()
    hear()

    assert 8 * 86_400 < seconds_to_answer()[()] <= 9 * 86_400
    assert count_open_disputes()[("needs_response",)] == 1
    decide(dispute_id, "win")
    hear("closed")
    assert (seconds_to_answer(), sum(count_open_disputes().values())) == ({}, 0)


def test_the_story_tells_of_the_dispute_and_that_staff_must_answer_it(dispute, hear, decide, order_id):
    dispute_id = dispute()
    hear()

    waiting = [each for each in tell_story(order_id).upcoming if each.by_staff]
    assert [each.what for each in waiting] == [
        f"dispute {dispute_id} of 49.00 EUR (fraudulent) is to be answered at Stripe"
    ]
    assert waiting[0].at == Dispute.objects.get().evidence_due_at
    decide(dispute_id, "lose")
    hear("closed")
    words = [each.what for each in tell_story(order_id).happened]
    assert "the dispute is over (lost)" in words


def test_every_status_has_its_weight_and_its_place():
    statuses = {str(status) for status in DisputeStatus}

    assert set(rules._BY_WEIGHT) == statuses
    assert statuses >= rules.OPEN_DISPUTES
    assert {rules.first_status(status) for status in statuses} <= rules.OPEN_DISPUTES
    assert rules.combined_status([]) == ""
    assert rules.combined_status(["WON", "LOST", "UNDER_REVIEW"]) == "UNDER_REVIEW"


def test_the_end_of_an_inquiry_that_was_refunded_says_that_the_money_went_back_in_full(dispute, hear, decide, order_id):
    dispute_id = dispute(inquiry=True)
    hear()
    refund(order_id, 100)
    refund(order_id)
    hear()
    if Dispute.objects.get().status != "WARNING_CLOSED":
        decide(dispute_id, "close")
        hear()

    closed = Outbox.objects.get(type="payment.dispute_closed")
    assert (closed.payload["status"], closed.payload["refunded_in_full"]) == ("WARNING_CLOSED", True)


def test_the_end_of_an_inquiry_that_was_refunded_in_part_says_that_money_is_left(dispute, hear, decide, order_id):
    dispute_id = dispute(inquiry=True)
    hear()
    refund(order_id, 100)
    decide(dispute_id, "close")
    hear()

    assert Outbox.objects.get(type="payment.dispute_closed").payload["refunded_in_full"] is False


def test_the_dashboard_counts_a_refused_refund_until_its_money_went_back(sandbox, captured, order_id):
    with refunds_refused(), pytest.raises(payments.RefundRefused):
        refund(order_id)
    assert payment_figures()["refunds refused"] == "1"

    refund(order_id)

    assert payment_figures()["refunds refused"] == "0"
