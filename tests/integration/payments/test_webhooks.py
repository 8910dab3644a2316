"""Webhooks: forged, stale, doubled, reordered, and what they teach."""

from __future__ import annotations

import json
import time
import uuid
from datetime import timedelta

import pytest
from django.db import DatabaseError, OperationalError
from django.db.models.functions import Now
from django.test import Client
from psycopg_pool import PoolTimeout

from payments import api as payments
from payments import services, tasks
from payments.gateways import provider
from payments.gateways.stripe.words import NOTICES
from payments.models import KNOWN_IN, UNDER_WAY_IN, Outbox, Payment, PaymentStatus, StrayIntent, WebhookEvent
from payments.services.webhooks import settle_unmatched
from shop import retention
from shop.clock import now
from shop.ids import new_id
from shop.statements import Statement
from tests.integration.payments.books import violations


def status(order_id):
    return payments.get_payment(order_id=order_id).status


@pytest.fixture
def unanswered(sandbox, authorize, order_id):
    sandbox.fail("lost_answer", "*/confirm")
    with pytest.raises(payments.PaymentUnknown):
        authorize()
    (event,) = sandbox.events("payment_intent.amount_capturable_updated")
    return event


def test_webhook_resolves_a_lost_answer(unanswered, post_webhook, order_id):
    assert post_webhook(unanswered).status_code == 200
    assert status(order_id) == "UNKNOWN"

    assert tasks.apply_webhooks() == 1
    assert status(order_id) == "AUTHORIZED"
    assert WebhookEvent.objects.get().outcome == "recorded"


def test_webhook_delivered_three_times_is_applied_once(unanswered, post_webhook, order_id):
    for _time in range(3):
        assert post_webhook(unanswered).status_code == 200
    tasks.apply_webhooks()
    post_webhook(unanswered)
    tasks.apply_webhooks()

    assert WebhookEvent.objects.count() == 1
    assert Outbox.objects.filter(aggregate_id=order_id, type="payment.authorized").count() == 1


def test_webhooks_in_any_order_end_in_the_same_state(sandbox, captured, post_webhook, order_id):
    for event in reversed(sandbox.events()):
        assert post_webhook(event).status_code == 200
        tasks.apply_webhooks()

    assert status(order_id) == "CAPTURED"
    assert violations() == []


def test_webhook_that_teaches_nothing_is_closed_as_it_is_kept(sandbox, captured, post_webhook, sql_guard):
    for event in sandbox.events("payment_intent.succeeded", "payment_intent.amount_capturable_updated"):
        post_webhook(event)
    (last,) = sql_guard.statements[-1:]

    assert last.startswith("INSERT INTO payments_webhookevent")
    assert {(notice.outcome, notice.due_at) for notice in WebhookEvent.objects.all()} == {("nothing_new", None)}
    assert WebhookEvent.objects.exclude(applied_at=None).count() == 2


def test_webhook_of_what_a_call_is_about_to_record_waits_and_is_closed_in_bulk(
    sandbox, authorize, order_id, post_webhook, all_due
):
    seen = authorize()
    (authorized,) = sandbox.events("payment_intent.amount_capturable_updated")
    post_webhook(authorized)
    assert tasks.apply_webhooks() == 0
    payments.capture_payment(order_id=order_id, seen=seen)
    post_webhook(authorized | {"id": "evt_again"})
    all_due()
    sandbox.fail("error_500", "*", method="GET", times=None)

    assert tasks.apply_webhooks() == 1
    assert sandbox.calls_failed() == 0
    assert {notice.outcome for notice in WebhookEvent.objects.all()} == {"nothing_new"}


def test_webhook_of_a_cancellation_waits_for_nothing(sandbox, authorize, order_id, post_webhook):
    authorize()
    sandbox.expire(order_id)
    post_webhook(sandbox.events("payment_intent.canceled")[0])

    assert tasks.apply_webhooks() == 1
    assert status(order_id) == "VOIDED"


@pytest.mark.parametrize(("notice", "kind"), sorted(NOTICES.items()))
@pytest.mark.parametrize("recorded", [str(each) for each in PaymentStatus])
def test_webhook_is_judged_by_the_database_as_by_the_rules(post_webhook, order_id, notice, kind, recorded):
    Payment.objects.bulk_create(
        [
            Payment(
                order_id=order_id, status=recorded, amount_minor=1, currency="EUR", intent_id="pi_1", captured_minor=1
            )
        ]
    )
    post_webhook(
        {
            "id": "evt_1",
            "type": notice,
            "livemode": False,
            "data": {"object": {"object": "charge", "payment_intent": "pi_1"}},
        }
    )

    kept = WebhookEvent.objects.get()
    assert (kept.due_at is None) is (recorded in KNOWN_IN.get(kind, ()))
    assert (kept.applied_at is None) is not (recorded in KNOWN_IN.get(kind, ()))
    due_now = WebhookEvent.objects.filter(due_at__lte=Now()).exists()
    assert due_now is (kept.due_at is not None and recorded not in UNDER_WAY_IN.get(kind, ()))


def test_old_news_never_moves_a_payment_backwards(sandbox, authorize, post_webhook, order_id):
    authorize()
    payments.void_payment(order_id=order_id, reason="customer")

    post_webhook(sandbox.events("payment_intent.amount_capturable_updated")[0])
    tasks.apply_webhooks()

    assert status(order_id) == "VOIDED"


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param({"secret": "whsec_of_somebody_else"}, id="forged"),
        pytest.param({"timestamp": int(time.time()) - 301}, id="stale"),
        pytest.param({"timestamp": int(time.time()) + 4000}, id="from-the-future"),
    ],
)
def test_webhook_that_is_not_freshly_signed_is_refused(unanswered, post_webhook, forge):
    answer = post_webhook(unanswered, **forge)

    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert answer.json()["code"] == "invalid_webhook"
    assert WebhookEvent.objects.count() == 0


def event(**changes):
    """Return an event about an intent, as JSON."""
    subject = {"object": "payment_intent", "id": changes.pop("intent", "pi_1")}
    return json.dumps({"id": "evt_1", "type": "t", "livemode": False, "data": {"object": subject}} | changes).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"\xff\xfe",
        b"[1]",
        b'{"id": "evt_1"}',
        *(event(**{name: text}) for name in ("id", "type", "intent") for text in ("a\0b", "\ud800", "x" * 5000)),
    ],
)
def test_body_that_is_no_event_is_refused(sandbox, body):
    import stripe

    signature = stripe.WebhookSignature.generate_signature_header(body.decode(errors="replace"), "whsec_sandbox")
    answer = Client().post(
        "/webhooks/stripe", body, content_type="application/json", headers={"Stripe-Signature": signature}
    )

    assert answer.status_code == 400


def test_changed_body_does_not_fit_its_signature(unanswered):
    import stripe

    signature = stripe.WebhookSignature.generate_signature_header(json.dumps(unanswered), "whsec_sandbox")
    changed = json.dumps(unanswered).replace("4900", "1")

    answer = Client().post(
        "/webhooks/stripe", changed, content_type="application/json", headers={"Stripe-Signature": signature}
    )
    assert answer.status_code == 400


def test_both_secrets_are_good_while_one_is_being_rotated(unanswered, post_webhook, settings):
    settings.STRIPE_WEBHOOK_SECRETS = ["whsec_new", "whsec_sandbox"]

    assert post_webhook(unanswered).status_code == 200
    assert post_webhook(unanswered, secret="whsec_new").status_code == 200
    assert WebhookEvent.objects.count() == 1


def test_live_event_at_a_test_shop_is_refused(unanswered, post_webhook):
    assert post_webhook(unanswered | {"livemode": True}).status_code == 400


def test_webhook_is_never_answered_200_when_nothing_was_recorded(unanswered, post_webhook, monkeypatch):
    """Vendure answered 200 although the order could not be moved: money without an order, and nobody told."""

    def broken(*args, **kwargs):
        raise DatabaseError("the database is away")

    monkeypatch.setattr(Statement, "one", broken)
    with pytest.raises(DatabaseError):
        post_webhook(unanswered)


@pytest.mark.parametrize(
    ("cause", "code"),
    [(PoolTimeout("no connection within a second"), "busy"), (None, "database_unavailable")],
)
def test_webhook_that_finds_no_database_is_503_and_comes_again(unanswered, post_webhook, monkeypatch, cause, code):
    def away(*args, **kwargs):
        raise OperationalError("not now") from cause

    monkeypatch.setattr(Statement, "one", away)

    answer = post_webhook(unanswered)

    assert (answer.status_code, answer.json()["code"]) == (503, code)
    assert answer.has_header("Retry-After")


def test_webhook_waits_while_the_provider_cannot_be_asked(sandbox, unanswered, post_webhook, order_id, all_due):
    post_webhook(unanswered)
    sandbox.fail("error_500", "*", method="GET")

    assert tasks.apply_webhooks() == 1
    assert WebhookEvent.objects.get().applied_at is None
    all_due()
    assert tasks.apply_webhooks() == 1
    assert status(order_id) == "AUTHORIZED"


def test_expired_authorization_is_recorded_by_its_webhook(sandbox, authorize, post_webhook, order_id):
    authorize()
    sandbox.expire(order_id)

    post_webhook(sandbox.events("payment_intent.canceled")[0])
    tasks.apply_webhooks()

    assert status(order_id) == "VOIDED"
    assert violations() == []


def test_refund_made_in_the_dashboard_is_adopted(sandbox, captured, post_webhook, order_id):
    sandbox.stripe.v1.refunds.create({"payment_intent": captured.intent_id, "amount": 1500})

    for event in sandbox.events("charge.refunded", "refund.created"):
        post_webhook(event)
    tasks.apply_webhooks()

    assert payments.get_payment(order_id=order_id).refunded.minor == 1500
    assert violations() == []


def test_capture_of_an_order_nobody_knows_is_refunded_and_flagged(sandbox, post_webhook):
    lost_order = new_id()
    sandbox.stripe.v1.payment_intents.create(
        {
            "amount": 700,
            "currency": "eur",
            "confirm": True,
            "payment_method": "pm_card_visa",
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "metadata": {"installation": "shop", "order_id": str(lost_order)},
        }
    )

    post_webhook(sandbox.events("payment_intent.succeeded")[0])
    tasks.apply_webhooks()
    assert [found.promise for found in violations()] == ["I4", "I11"][-1:]
    tasks.settle_strays()

    assert sandbox.money(lost_order) == (1, 0)
    stray = StrayIntent.objects.get()
    assert (stray.order_id, stray.reason, stray.outcome) == (lost_order, "UNKNOWN_ORDER", "refunded")
    assert Outbox.objects.filter(type="payment.stray_found").count() == 1
    assert violations() == []


@pytest.mark.parametrize(
    "metadata",
    [
        {"order_id": "their-own-1234"},
        {"order_id": str(uuid.UUID(int=7))},
        {"order_id": str(uuid.UUID(int=7)), "installation": "shop-staging"},
    ],
)
def test_intent_of_another_system_on_the_same_account_is_left_alone(sandbox, post_webhook, metadata):
    intent = sandbox.stripe.v1.payment_intents.create(
        {
            "amount": 700,
            "currency": "eur",
            "confirm": True,
            "payment_method": "pm_card_visa",
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "metadata": metadata,
        }
    )

    post_webhook(sandbox.events("payment_intent.succeeded")[0])
    tasks.apply_webhooks()

    assert StrayIntent.objects.count() == 0
    assert sandbox.stripe.v1.payment_intents.retrieve(intent.id).status == "succeeded"


def test_intent_of_another_application_in_a_currency_of_its_own_is_left_alone(sandbox, post_webhook):
    sandbox.stripe.v1.payment_intents.create(
        {
            "amount": 77701,
            "currency": "ugx",
            "confirm": True,
            "payment_method": "pm_card_visa",
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )

    post_webhook(sandbox.events("payment_intent.succeeded")[0])

    assert tasks.apply_webhooks() == 1
    assert WebhookEvent.objects.get().outcome == "not_ours"


def test_notice_that_meets_a_bug_waits_and_its_neighbours_are_applied(sandbox, authorize, post_webhook):
    orders = [new_id(), new_id(), new_id()]
    for order in orders:
        authorize(order=order)
        payments.capture_payment(order_id=order)
        sandbox.stripe.v1.refunds.create({"payment_intent": sandbox.intent(order).id, "amount": 100})
    for event in sandbox.events("charge.refunded"):
        post_webhook(event)
    Payment.objects.filter(pk=orders[1]).update(currency="?!")

    assert tasks.apply_webhooks() == 3

    waiting = WebhookEvent.objects.get(applied_at=None)
    assert (waiting.intent_id, waiting.attempts) == (Payment.objects.get(pk=orders[1]).intent_id, 1)
    assert "ISO 4217" in waiting.last_error
    assert waiting.due_at > now()


@pytest.mark.parametrize(
    "signature", ["t=1,v1=\u00e9", "\u00e9", "t=\u0661,v1=ab", f"t={'9' * 5000},v1=ab", "t=,v1=ab"]
)
def test_signature_that_no_signer_writes_is_refused(unanswered, signature):
    answer = Client().post(
        "/webhooks/stripe", unanswered, content_type="application/json", headers={"Stripe-Signature": signature}
    )

    assert answer.status_code == 400


def test_notices_are_deleted_once_they_were_applied_long_ago(database, monkeypatch, settings):
    settings.HISTORY_RETENTION_DAYS = 30
    days_ago = {"evt_1": 400, "evt_2": 33, "evt_4": 32, "evt_5": 31, "evt_3": 29}
    for event_id, days in days_ago.items():
        moment = now() - timedelta(days=days)
        applied_at = None if event_id == "evt_4" else moment
        WebhookEvent.objects.create(
            event_id=event_id, type="a", intent_id="pi_1", received_at=moment, applied_at=applied_at
        )
    monkeypatch.setattr(retention, "BATCH", 1)

    assert tasks.prune_webhooks() == 3

    assert set(WebhookEvent.objects.values_list("event_id", flat=True)) == {"evt_3", "evt_4"}


def made_intent(sandbox, order_id, **more):
    """Make an intent with the order's id behind the shop's back."""
    return sandbox.stripe.v1.payment_intents.create(
        {
            "amount": 4900,
            "currency": "eur",
            "payment_method": "pm_card_visa",
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "metadata": {"installation": "shop", "order_id": str(order_id)},
            **more,
        }
    )


def test_notice_of_an_intent_that_the_provider_does_not_know_is_closed(sandbox, post_webhook):
    subject = {"object": "payment_intent", "id": "pi_nobody"}
    post_webhook({"id": "evt_1", "type": "payment_intent.succeeded", "livemode": False, "data": {"object": subject}})

    assert tasks.apply_webhooks() == 1
    kept = WebhookEvent.objects.get()
    assert (kept.outcome, kept.due_at, kept.applied_at is None) == ("no_such_intent", None, False)


def test_notice_whose_news_was_recorded_since_it_was_claimed_asks_nobody_and_is_applied_once(
    sandbox, authorize, order_id, post_webhook
):
    authorize()
    (authorized,) = sandbox.events("payment_intent.amount_capturable_updated")
    post_webhook(authorized)
    intent_id = payments.refresh_payment(order_id=order_id).intent_id
    sandbox.fail("error_500", "*", method="GET", times=None)

    assert services.apply_notices(intent_id=intent_id) == 1
    assert services.apply_notices(intent_id=intent_id) == 0
    assert (WebhookEvent.objects.get().outcome, sandbox.calls_failed()) == ("nothing_new", 0)


@pytest.mark.parametrize("ended", ["canceled", "refunded"])
def test_intent_of_an_order_nobody_knows_that_holds_no_money_is_no_stray(sandbox, post_webhook, ended):
    intent = made_intent(sandbox, new_id(), confirm=ended == "refunded")
    if ended == "canceled":
        sandbox.stripe.v1.payment_intents.cancel(intent.id)
    else:
        sandbox.stripe.v1.refunds.create({"payment_intent": intent.id})
    post_webhook(sandbox.events("payment_intent.canceled", "payment_intent.succeeded")[0])

    assert tasks.apply_webhooks() == 1
    assert (WebhookEvent.objects.get().outcome, StrayIntent.objects.count()) == ("holds_nothing", 0)


def test_intent_whose_id_is_yet_to_be_stored_is_left_to_the_call_that_made_it(
    sandbox, authorize, order_id, post_webhook
):
    sandbox.fail("lost_answer", "/v1/payment_intents")
    with pytest.raises(payments.PaymentUnknown):
        authorize()
    sandbox.stripe.v1.payment_intents.confirm(sandbox.intent(order_id).id)
    post_webhook(sandbox.events("payment_intent.amount_capturable_updated")[0])

    assert tasks.apply_webhooks() == 1
    assert (WebhookEvent.objects.get().outcome, StrayIntent.objects.count()) == ("not_submitted_yet", 0)
    assert authorize().status == "AUTHORIZED"
    assert sandbox.ledger(order_id)[0]["authorizations"] == 1


def test_intent_whose_id_was_stored_while_the_provider_was_asked_is_its_payment_s(sandbox, authorize, order_id):
    intent_id = authorize().intent_id

    assert settle_unmatched(provider().retrieve_intent(intent_id=intent_id)) == "recorded"
    assert (status(order_id), StrayIntent.objects.count()) == ("AUTHORIZED", 0)
