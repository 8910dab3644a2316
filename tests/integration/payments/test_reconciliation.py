"""The provider's book against ours: drift is found, named, and repaired."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db.models.functions import Now
from structlog.testing import capture_logs

from payments import api as payments
from payments import tasks
from payments.gateways import provider
from payments.gateways.stripe import words
from payments.gateways.stripe.adapter import StripeProvider
from payments.models import Outbox, Payment, StrayIntent
from payments.services import missing
from shop import audit
from shop.clock import now
from shop.ids import new_id
from tests.integration.payments.books import violations

TAKEN = {
    "amount": 4900,
    "currency": "eur",
    "confirm": True,
    "payment_method": "pm_card_visa",
    "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
}


def reconcile():
    return payments.reconcile_payments(since=now() - timedelta(hours=1))


def status(order_id):
    return payments.get_payment(order_id=order_id).status


def test_nothing_is_repaired_where_the_books_agree(sandbox, captured):
    report = reconcile()

    assert (report.intents, report.repaired, report.strays, report.unresolved) == (1, (), (), ())


def test_capture_that_was_never_recorded_is_found_and_repaired(sandbox, authorize, order_id):
    authorize()
    sandbox.stripe.v1.payment_intents.capture(sandbox.intent(order_id).id)
    assert [(found.promise, found.subject) for found in violations()] == [("I11", str(order_id))]

    report = reconcile()

    assert len(report.repaired) == 1
    assert status(order_id) == "CAPTURED"
    assert violations() == []
    assert reconcile().repaired == ()


def test_refund_that_was_never_recorded_is_found_and_repaired(sandbox, captured, order_id):
    sandbox.stripe.v1.refunds.create({"payment_intent": captured.intent_id, "amount": 1})
    assert [found.promise for found in violations()] == ["I11"]

    reconcile()

    assert payments.get_payment(order_id=order_id).refunded.minor == 1
    assert violations() == []


UNHEARD_OF = "captured 49.00 EUR here, and the provider knows no such intent"


@pytest.mark.parametrize("days", [0, 8, 400])
def test_capture_that_the_provider_has_never_heard_of_is_named_with_its_order_and_sum(
    sandbox, captured, order_id, days
):
    Payment.objects.update(created_at=Now() - timedelta(days=days))
    sandbox.control("POST", "reset", {})

    assert [(found.promise, found.subject, found.detail) for found in violations()] == [
        ("I11", str(order_id), f"{captured.intent_id}: {UNHEARD_OF}")
    ]
    report = payments.reconcile_payments(since=now() - timedelta(days=days, hours=1))
    assert [(one.order_id, one.intent_id, one.detail) for one in report.unresolved] == [
        (str(order_id), captured.intent_id, UNHEARD_OF)
    ]
    with pytest.raises(CommandError, match="1 differences need a human"):
        call_command("reconcile_payments", hours=24 * days + 1, stdout=StringIO())
    assert payments.get_payment(order_id=order_id).status == "CAPTURED"


def test_every_capture_of_an_empty_book_is_named_page_by_page(sandbox, authorize, monkeypatch):
    monkeypatch.setattr(missing, "PAGE", 2)
    orders = [new_id() for _order in range(5)]
    for each in orders:
        authorize(order=each)
        payments.capture_payment(order_id=each)
    assert violations() == []

    sandbox.control("POST", "reset", {})

    assert [found.subject for found in violations()] == [str(each) for each in orders]


def test_hourly_run_names_a_few_of_many_and_ends_in_time(sandbox, authorize, monkeypatch):
    monkeypatch.setattr(tasks, "MOST_MISSING", 1)
    for each in (new_id(), new_id()):
        authorize(order=each)
        payments.capture_payment(order_id=each)
    sandbox.control("POST", "reset", {})

    with capture_logs() as logs:
        tasks.reconcile_recent()

    assert [line["event"] for line in logs].count("payment.not_at_provider") == 1


def test_hold_that_the_provider_has_never_heard_of_is_named(sandbox, captured, order_id):
    Payment.objects.update(status="AUTHORIZED", captured_minor=0)
    sandbox.control("POST", "reset", {})

    (one,) = reconcile().unresolved

    assert one.detail == "authorized 49.00 EUR here, and the provider knows no such intent"


def test_capture_that_is_only_not_listed_yet_is_no_difference(sandbox, captured, monkeypatch):
    monkeypatch.setattr(StripeProvider, "iter_intents", lambda _self, **_asked: iter(()))

    assert reconcile().unresolved == ()


def test_list_says_of_each_intent_what_its_own_answer_says(sandbox, authorize):
    orders = [new_id() for _order in range(5)]
    cards = ("pm_card_chargeDeclined", "pm_card_authenticationRequired", "pm_card_visa", "pm_card_visa", "pm_card_visa")
    for each, card in zip(orders, cards, strict=True):
        with suppress(payments.CardDeclined):
            authorize(card, order=each)
    payments.void_payment(order_id=orders[3], reason="test")
    payments.capture_payment(order_id=orders[4])
    sandbox.stripe.v1.refunds.create({"payment_intent": sandbox.intent(orders[4]).id, "amount": 1})

    listed = list(provider().iter_intents(since=now() - timedelta(hours=1)))

    assert listed == [provider().retrieve_intent(intent_id=intent.intent_id) for intent in listed]
    assert {
        (intent.status, intent.decline_code != "", intent.next_action, intent.refunded.minor) for intent in listed
    } == {
        ("DECLINED", True, "", 0),
        ("REQUIRES_ACTION", False, "use_stripe_sdk", 0),
        ("AUTHORIZED", False, "", 0),
        ("CANCELED", False, "", 0),
        ("CAPTURED", False, "", 1),
    }


def test_drift_older_than_a_week_is_found_by_the_audit(sandbox, captured, order_id):
    sandbox.stripe.v1.refunds.create({"payment_intent": captured.intent_id, "amount": 1})
    with time_machine.travel(now() + timedelta(days=30)):
        found = violations()

    assert [each.detail for each in found if each.promise == "I11"] == [
        f"{captured.intent_id}: refunded 0.00 EUR here, 0.01 EUR at the provider"
    ]


def test_cancellation_that_was_never_recorded_is_found_and_repaired(sandbox, authorize, order_id):
    authorize()
    sandbox.expire(order_id)

    reconcile()

    assert status(order_id) == "VOIDED"


@pytest.mark.parametrize(
    "ask", [lambda order_id: payments.refresh_payment(order_id=order_id), lambda _order_id: reconcile()]
)
def test_money_taken_after_its_payment_was_closed_is_given_back(sandbox, authorize, order_id, ask):
    authorize()
    # As after a restore: the books say VOIDED, and the provider has never heard of it.
    Payment.objects.filter(pk=order_id).update(status="VOIDED", due_at=None)
    sandbox.stripe.v1.payment_intents.capture(sandbox.intent(order_id).id)

    ask(order_id)
    assert StrayIntent.objects.get().reason == "LATE_CAPTURE"
    assert tasks.settle_strays() == 1

    assert StrayIntent.objects.get().outcome == "refunded"
    assert sandbox.money(order_id) == (1, 0)
    assert status(order_id) == "VOIDED"


def test_an_answer_that_a_void_overtook_is_no_late_capture(sandbox, authorize, order_id, monkeypatch):
    authorize()
    Payment.objects.filter(pk=order_id).update(status="UNKNOWN")
    retrieve = StripeProvider.retrieve_intent

    def overtaken(self, *, intent_id):
        answer = retrieve(self, intent_id=intent_id)
        monkeypatch.setattr(StripeProvider, "retrieve_intent", retrieve)
        payments.void_payment(order_id=order_id, reason="customer_request")
        return answer

    monkeypatch.setattr(StripeProvider, "retrieve_intent", overtaken)

    assert payments.refresh_payment(order_id=order_id).status == "VOIDED"
    assert not StrayIntent.objects.exists()


def test_second_intent_of_an_order_is_canceled_and_flagged(sandbox, captured, order_id):
    sandbox.stripe.v1.payment_intents.create(
        {
            "amount": 4900,
            "currency": "eur",
            "capture_method": "manual",
            "confirm": True,
            "payment_method": "pm_card_visa",
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "metadata": {"installation": "shop", "order_id": str(order_id)},
        }
    )

    report = reconcile()
    assert tasks.settle_strays() == 1

    assert len(report.strays) == 1
    assert StrayIntent.objects.get().outcome == "canceled"
    assert sorted(intent.status for intent in sandbox.intents(order_id)) == ["canceled", "succeeded"]
    assert violations() == []


def test_stray_that_cannot_be_settled_now_is_settled_later(sandbox, captured, order_id, all_due):
    sandbox.stripe.v1.payment_intents.create(TAKEN | {"metadata": {"installation": "shop", "order_id": str(order_id)}})
    reconcile()
    assert "I4" in [found.promise for found in violations()]
    sandbox.fail("error_500", "/v1/refunds")

    assert tasks.settle_strays() == 1
    all_due()
    assert tasks.settle_strays() == 1
    assert sandbox.money(order_id) == (2, 4900)
    assert violations() == []


def test_command_reports_what_it_repaired(sandbox, authorize, order_id):
    authorize()
    sandbox.expire(order_id)
    out = StringIO()

    call_command("reconcile_payments", stdout=out)

    assert f"repaired  {order_id}: SUBMITTED here, CANCELED at the provider" in out.getvalue()


def test_command_fails_where_the_provider_cannot_be_asked(sandbox):
    sandbox.fail("error_500", "*", method="GET")

    with pytest.raises(CommandError, match="could not be asked"):
        call_command("reconcile_payments", stdout=StringIO())


def test_audit_names_what_it_could_not_check(sandbox):
    sandbox.fail("error_500", "*", method="GET", times=None)

    unasked = {
        check.promise
        for _group, finds in audit.look([check for check in audit.checks() if check.context == "payments"])
        for check, found in finds
        if isinstance(found, audit.Unasked)
    }

    assert unasked == {"I4", "I11"}
    with pytest.raises(payments.PaymentUnknown):
        list(audit.violations())
    with pytest.raises(CommandError, match=r"2 of .* checks could not be made, 0 violations in the others") as ended:
        call_command("audit", stdout=StringIO())
    assert ended.value.returncode == 3


def test_audit_finds_a_change_without_its_event_and_an_outcome_left_unknown(sandbox, authorize, order_id):
    sandbox.fail("lost_request", "*/confirm")
    with pytest.raises(payments.PaymentUnknown):
        authorize()
    Payment.objects.update(changed_at=Now() - timedelta(hours=2))
    Outbox.objects.filter(aggregate_version=3).delete()

    assert sorted(found.promise for found in violations()) == ["I10", "I8"]


def test_stray_that_is_found_again_before_it_is_settled_is_told_once_and_waits_for_its_turn(sandbox):
    sandbox.stripe.v1.payment_intents.create(TAKEN | {"metadata": {"installation": "shop", "order_id": str(new_id())}})

    assert len(reconcile().strays) == 1
    StrayIntent.objects.update(due_at=now() + timedelta(hours=1))
    assert len(reconcile().strays) == 1
    assert StrayIntent.objects.get().due_at > now() + timedelta(minutes=50)
    assert (StrayIntent.objects.count(), Outbox.objects.filter(type="payment.stray_found").count()) == (1, 1)
    out = StringIO()
    call_command("reconcile_payments", stdout=out)
    assert f"stray     {StrayIntent.objects.get().intent_id}: is being canceled or refunded" in out.getvalue()


@pytest.mark.parametrize("named", ["their-own-1234", "018f0000-0000-7000-8000-000000000001"])
def test_intent_of_ours_that_names_another_order_is_left_to_a_human(sandbox, authorize, order_id, named):
    intent_id = authorize().intent_id
    sandbox.stripe.v1.payment_intents.capture(intent_id)
    sandbox.stripe.v1.payment_intents.update(intent_id, {"metadata": {"order_id": named}})

    (difference,) = reconcile().unresolved

    assert (difference.order_id, difference.intent_id) == (named, intent_id)
    assert difference.detail == f"{intent_id} differs from our payment in order_id"
    assert status(order_id) == "SUBMITTED"


def test_provider_that_is_away_in_the_middle_ends_the_run_and_what_was_repaired_stays(sandbox, authorize):
    orders = [new_id(), new_id()]
    for each in orders:
        authorize(order=each)
        sandbox.expire(each)
    sandbox.fail("error_500", f"/v1/payment_intents/{sandbox.intent(orders[0]).id}", method="GET")

    with pytest.raises(payments.PaymentUnknown):
        reconcile()

    # The list is read from its newest on.
    assert [status(each) for each in orders] == ["SUBMITTED", "VOIDED"]
    assert len(reconcile().repaired) == 1


def test_old_hold_that_the_provider_has_never_heard_of_is_named_by_the_audit(sandbox, authorize, order_id):
    intent_id = authorize().intent_id
    Payment.objects.update(status="AUTHORIZED", created_at=Now() - timedelta(hours=3))
    sandbox.control("POST", "reset", {})

    assert [found.detail for found in violations() if found.promise == "I11"] == [
        f"{intent_id}: authorized 49.00 EUR here, and the provider knows no such intent"
    ]


def test_hold_that_is_closed_while_the_provider_lists_is_no_difference(sandbox, authorize, order_id, monkeypatch):
    authorize()
    payments.refresh_payment(order_id=order_id)
    real = StripeProvider.iter_intents

    def closed_meanwhile(self, **asked):
        if "until" in asked:
            payments.void_payment(order_id=order_id, reason="customer")
            return iter(())
        return real(self, **asked)

    monkeypatch.setattr(StripeProvider, "iter_intents", closed_meanwhile)

    assert reconcile().unresolved == ()
    assert status(order_id) == "VOIDED"


@pytest.mark.usefixtures("captured")
def test_refusal_that_does_not_say_that_there_is_no_such_intent_accuses_nobody(sandbox, monkeypatch):
    def refused(self, *, intent_id):
        raise words.refusal("no", operation="retrieve", code="account_invalid")

    monkeypatch.setattr(StripeProvider, "iter_intents", lambda _self, **_asked: iter(()))
    monkeypatch.setattr(StripeProvider, "retrieve_intent", refused)

    with pytest.raises(payments.PaymentUnknown):
        reconcile()
