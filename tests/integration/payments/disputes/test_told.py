"""What is named of disputes: in the books to the cent, in the audit, the alert and the story."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.db.models import F
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse

from payments import api as payments
from payments.gateways.stripe import adapter as stripe_adapter
from payments.gateways.stripe import snapshots, words
from payments.gateways.stripe.adapter import StripeProvider
from payments.models import (
    OPEN_DISPUTES,
    Dispute,
    DisputeStatus,
    Outbox,
    Payment,
    WebhookEvent,
    combined_status,
    first_status,
)
from payments.models.dispute import _BY_WEIGHT
from payments.queries import count_open_disputes, seconds_to_answer
from payments.story import tell_story
from tests.integration.payments.books import violations
from tests.integration.payments.disputes.disputing import reconcile, refund


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

    assert set(_BY_WEIGHT) == statuses
    assert statuses >= set(OPEN_DISPUTES)
    assert {first_status(DisputeStatus(status)) for status in statuses} <= set(OPEN_DISPUTES)
    assert combined_status([]) == ""
    assert combined_status(["WON", "LOST", "UNDER_REVIEW"]) == "UNDER_REVIEW"


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


def test_a_dispute_that_is_only_not_listed_yet_is_no_difference(dispute, hear, monkeypatch):
    dispute()
    hear()
    monkeypatch.setattr(StripeProvider, "iter_disputes", lambda _self, **_asked: iter(()))

    assert violations() == []


def test_a_refusal_that_does_not_say_that_there_is_no_such_dispute_accuses_nobody(dispute, hear, monkeypatch):
    def refused(self, *, provider_dispute_id):
        raise words.refusal("no", operation="retrieve_dispute", code="account_invalid")

    dispute()
    hear()
    monkeypatch.setattr(StripeProvider, "iter_disputes", lambda _self, **_asked: iter(()))
    monkeypatch.setattr(StripeProvider, "retrieve_dispute", refused)

    with pytest.raises(payments.PaymentUnknown):
        violations()


@pytest.fixture
def boss(sandbox):
    client = Client()
    client.force_login(get_user_model().objects.create_superuser(email="boss@shop.example", password="pw"))
    return client


@pytest.mark.parametrize(
    ("columns", "to_do"),
    [
        ({"status": "NEEDS_RESPONSE"}, "answer it at the provider"),
        ({"status": "UNDER_REVIEW"}, "wait for the bank"),
        ({"status": "LOST"}, "decide about the parcel"),
        ({"status": "WON", "withdrawn_minor": 0}, ">-<"),
    ],
)
def test_staff_are_told_what_a_dispute_waits_for(dispute, hear, boss, columns, to_do):
    dispute()
    hear()
    Dispute.objects.update(**columns)

    page = boss.get(reverse("admin:payments_dispute_changelist")).content.decode()

    assert to_do in page.replace("\n", "").replace(" <", "<").replace("> ", ">")


def test_staff_have_the_provider_asked_about_a_dispute(dispute, hear, decide, boss, order_id):
    dispute_id = dispute()
    hear()
    decide(dispute_id, "lose")

    url = reverse("admin:payments_dispute_ask_about_one", args=[Dispute.objects.get().pk])
    assert boss.post(url, {"_form_submitted": "True"}).status_code in (200, 302)

    assert Dispute.objects.get().status == "LOST"
    assert "asked the provider" in LogEntry.objects.get().change_message


def test_the_story_says_that_the_bank_decides_about_a_dispute_that_was_answered(dispute, hear, order_id):
    dispute_id = dispute()
    hear()
    Dispute.objects.update(status="UNDER_REVIEW")

    assert f"the bank decides about dispute {dispute_id}" in [each.what for each in tell_story(order_id).upcoming]
