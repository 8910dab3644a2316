"""Holding the money when the provider does not answer, or answers with an error: once, under the right key."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from payments import api as payments
from payments import tasks
from payments.gateways import CardRefused
from payments.gateways.stripe.adapter import StripeProvider
from payments.models import Payment
from tests.integration.payments.books import violations
from tests.integration.payments.test_authorize import status, told


def test_timed_out_charge_is_not_treated_as_a_failure(sandbox, authorize, order_id):
    """The article's payment service recorded FAILED when Stripe's answer did not come."""
    sandbox.fail("lost_answer", "*/confirm")

    with pytest.raises(payments.PaymentUnknown):
        authorize()

    assert status(order_id) == "UNKNOWN"
    assert sandbox.intent(order_id).status == "requires_capture"
    assert payments.refresh_payment(order_id=order_id).status == "AUTHORIZED"
    assert told(order_id)[-2:] == ["payment.unknown", "payment.authorized"]


def test_answer_slower_than_the_timeout_is_unknown_and_found_by_the_sweep(
    sandbox, authorize, order_id, settings, all_due
):
    patience, settings.STRIPE_TIMEOUT_SECONDS = settings.STRIPE_TIMEOUT_SECONDS, 0.3
    sandbox.fail("late", "*/confirm", delay_seconds=60)

    with pytest.raises(payments.PaymentUnknown):
        authorize()
    settings.STRIPE_TIMEOUT_SECONDS = patience
    all_due()

    assert tasks.resolve_unknown_payments() == 1
    assert status(order_id) == "AUTHORIZED"


def test_lost_confirmation_is_sent_again_and_holds_once(sandbox, authorize, order_id):
    sandbox.fail("lost_request", "*/confirm")
    with pytest.raises(payments.PaymentUnknown):
        authorize()

    assert authorize().status == "AUTHORIZED"
    assert sandbox.ledger(order_id)[0]["authorizations"] == 1


def test_confirmation_that_arrives_late_after_its_repetition_holds_once(sandbox, authorize, order_id):
    sandbox.fail("late_effect_dropped", "*/confirm", delay_seconds=0.3)
    with pytest.raises(payments.PaymentUnknown):
        authorize()

    state = None
    while state is None:
        try:
            state = authorize()
        except payments.PaymentUnknown:
            continue

    assert state.status == "AUTHORIZED"
    assert sandbox.ledger(order_id)[0]["authorizations"] == 1


def test_server_error_after_the_effect_is_found_by_asking(sandbox, authorize, order_id):
    sandbox.fail("error_500_after_effect", "*/confirm")
    with pytest.raises(payments.PaymentUnknown):
        authorize()

    assert authorize().status == "AUTHORIZED"
    assert sandbox.ledger(order_id)[0]["authorizations"] == 1


@pytest.fixture
def confirm_keys(monkeypatch):

    keys = []
    real = StripeProvider.confirm_intent
    monkeypatch.setattr(
        StripeProvider,
        "confirm_intent",
        lambda self, *, intent_id, key: (keys.append(key), real(self, intent_id=intent_id, key=key))[1],
    )
    return keys


def test_server_error_that_was_not_kept_is_repeated_under_its_key(sandbox, authorize, order_id, confirm_keys):
    sandbox.fail("error_500", "*/confirm")
    with pytest.raises(payments.PaymentUnknown):
        authorize()

    assert authorize().status == "AUTHORIZED"
    assert confirm_keys == [f"order:{order_id}:pay:1:confirm"] * 2


def test_server_error_kept_under_its_key_heals_by_a_new_key(sandbox, authorize, order_id, confirm_keys):
    card = "pm_card_authenticationRequired"
    sandbox.fail("error_500_after_effect", "*/confirm")
    with pytest.raises(payments.PaymentUnknown):
        authorize(card)
    # Whatever the confirmation did is undone at the provider: the intent waits for one again, the 500 stays kept.
    sandbox.stripe.v1.payment_intents.update(sandbox.intent(order_id).id, {"payment_method": "pm_card_visa"})
    with pytest.raises(payments.PaymentUnknown):
        authorize(card)

    assert authorize(card).status == "AUTHORIZED"
    assert confirm_keys == [f"order:{order_id}:pay:{attempt}:confirm" for attempt in (1, 1, 2)]


def refuse_confirmation(monkeypatch, code):
    """Have Stripe refuse to confirm, with the intent left as it is: an answer the sandbox has no card for."""
    from payments.gateways.stripe import words

    def refused(self, *, intent_id, key):
        raise words.refusal("no", operation="confirm", code=code)

    monkeypatch.setattr(StripeProvider, "confirm_intent", refused)


def test_confirmation_that_the_provider_will_never_carry_out_is_no_declined_card(
    sandbox, authorize, order_id, monkeypatch
):
    refuse_confirmation(monkeypatch, "payment_method_unactivated")

    for _time in range(2):
        with pytest.raises(payments.PaymentRefusedByProvider):
            authorize()

    assert Payment.objects.get().decline_code == "request:payment_method_unactivated"
    assert (status(order_id), told(order_id)[-1]) == ("DECLINED", "payment.failed")
    assert Payment.objects.get().due_at is None
    assert payments.void_payment(order_id=order_id, reason="declined").status == "VOIDED"
    assert violations() == []


@pytest.mark.parametrize("code", ["idempotency_error", "payment_intent_unexpected_state"])
def test_confirmation_refused_because_of_another_call_stays_unknown(sandbox, authorize, order_id, monkeypatch, code):
    with monkeypatch.context() as refusing:
        refuse_confirmation(refusing, code)
        with pytest.raises(payments.PaymentUnknown):
            authorize()
    assert status(order_id) == "SUBMITTED"

    assert authorize().status == "AUTHORIZED"


def test_lost_creation_is_repeated_under_its_key_and_makes_one_intent(sandbox, authorize, order_id):
    sandbox.fail("lost_answer", "/v1/payment_intents")
    with pytest.raises(payments.PaymentUnknown):
        authorize()
    assert status(order_id) == "NEW"

    assert authorize().status == "AUTHORIZED"
    assert len(sandbox.intents(order_id)) == 1


def test_creation_older_than_its_key_is_looked_for_before_it_is_repeated(sandbox, authorize, order_id):
    sandbox.fail("lost_answer", "/v1/payment_intents")
    with pytest.raises(payments.PaymentUnknown):
        authorize()
    Payment.objects.update(attempt_began_at=Now() - timedelta(hours=25))
    sandbox.control("POST", "clock", {"advance_seconds": 0})

    assert authorize().status == "AUTHORIZED"
    assert len(sandbox.intents(order_id)) == 1


def test_rate_limit_changes_nothing_and_the_same_key_is_used_again(sandbox, authorize, order_id):
    sandbox.fail("rate_limited", "*/confirm")

    with pytest.raises(payments.PaymentProviderUnavailable):
        authorize()
    assert status(order_id) == "SUBMITTED"

    assert authorize().status == "AUTHORIZED"


def test_key_in_use_is_unknown_until_asked(sandbox, authorize, order_id):
    sandbox.fail("conflict_409", "*/confirm")

    with pytest.raises(payments.PaymentUnknown):
        authorize()

    assert status(order_id) == "UNKNOWN"
    assert authorize().status == "AUTHORIZED"


def forget_keys():
    """Let the provider have forgotten the keys of what was sent."""
    Payment.objects.update(attempt_began_at=Now() - timedelta(hours=25))


def test_creation_that_never_arrived_is_sent_again_under_a_new_key_once_its_own_may_be_forgotten(
    sandbox, authorize, order_id
):
    sandbox.fail("lost_request", "/v1/payment_intents")
    with pytest.raises(payments.PaymentUnknown):
        authorize()
    forget_keys()

    assert authorize().status == "AUTHORIZED"
    assert (len(sandbox.intents(order_id)), Payment.objects.get().attempt) == (1, 2)


def test_confirmation_that_never_arrived_is_sent_again_under_a_new_key_once_its_own_may_be_forgotten(
    sandbox, authorize, order_id, confirm_keys
):
    sandbox.fail("lost_request", "*/confirm")
    with pytest.raises(payments.PaymentUnknown):
        authorize()
    forget_keys()

    assert authorize().status == "AUTHORIZED"
    assert confirm_keys == [f"order:{order_id}:pay:{attempt}:confirm" for attempt in (1, 2)]
    assert sandbox.ledger(order_id)[0]["authorizations"] == 1


def test_card_that_is_refused_as_its_intent_is_made_is_declined_and_can_be_closed(
    sandbox, authorize, order_id, monkeypatch
):
    def refused(self, **_asked):
        raise CardRefused(decline_code="do_not_honor", intent=None)

    monkeypatch.setattr(StripeProvider, "create_intent", refused)
    for _repeated in range(2):
        with pytest.raises(payments.CardDeclined) as declined:
            authorize()
        assert declined.value.facts["decline_code"] in ("do_not_honor", "card_declined")
    assert (status(order_id), told(order_id)) == ("DECLINED", ["payment.opened", "payment.failed"])

    assert payments.void_payment(order_id=order_id, reason="declined").status == "VOIDED"
    assert violations() == []
