"""Another card on the same intent: after a decline, or while the customer does not approve the one before."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from payments import api as payments
from payments import tasks
from payments.gateways.stripe.adapter import StripeProvider
from payments.models import Payment
from shop.money import Money
from tests.driver.provider import held, in_threads
from tests.integration.payments.books import violations
from tests.integration.payments.test_authorize import status, told

POOR, STOLEN = "pm_card_chargeDeclinedInsufficientFunds", "pm_card_chargeDeclinedStolenCard"
GOOD, OTHER, CHALLENGED = "pm_card_visa", "pm_card_mastercard", "pm_card_authenticationRequired"
DECLINED = (
    POOR,
    "pm_card_chargeDeclined",
    "pm_card_chargeDeclinedExpiredCard",
    "pm_card_chargeDeclinedIncorrectCvc",
    "pm_card_chargeDeclinedProcessingError",
)
CHANGE = "/v1/payment_intents/*"


@contextmanager
def meanwhile(call: Callable[[], Any]) -> Iterator[list[Any]]:
    """Run a call beside the body, which lets it go on; what it gave or raised stands in the list afterwards."""
    outcome: list[Any] = []
    thread = threading.Thread(target=lambda: outcome.extend(in_threads(call)))
    thread.start()
    yield outcome
    thread.join()


def left(order_id):
    return payments.get_payment(order_id=order_id).attempts_left


@pytest.fixture
def poor(authorize):
    """A first card that has no funds."""
    with pytest.raises(payments.CardDeclined) as declined:
        authorize(POOR)
    assert declined.value.facts["attempts_left"] == 4


def test_another_card_is_held_on_the_same_intent(sandbox, authorize, order_id, poor):
    intent_id = sandbox.intent(order_id).id

    state = authorize(GOOD)

    assert (state.status, state.intent_id) == ("AUTHORIZED", intent_id)
    assert payments.capture_payment(order_id=order_id, seen=state).status == "CAPTURED"
    assert sandbox.money(order_id) == (1, 4900)
    assert told(order_id) == [
        *("payment.opened", "payment.submitted", "payment.failed", "payment.submitted", "payment.captured")
    ]
    row = Payment.objects.get()
    assert (row.payment_method, row.refused) == (GOOD, [[POOR, "insufficient_funds"]])
    assert violations() == []


def test_each_card_is_asked_once_and_the_last_one_ends_it(sandbox, authorize, order_id):
    for before, card in enumerate(DECLINED):
        for _again in range(2):
            with pytest.raises(payments.CardDeclined) as declined:
                authorize(card)
            assert declined.value.facts["attempts_left"] == 4 - before

    with pytest.raises(payments.CardDeclined) as ended:
        authorize(GOOD)

    assert ended.value.facts["attempts_left"] == 0
    assert len(sandbox.events("payment_intent.payment_failed")) == len(DECLINED)
    assert sandbox.intent(order_id).status == "requires_payment_method"
    assert payments.void_payment(order_id=order_id, reason="declined").status == "VOIDED"
    assert violations() == []


def test_a_card_that_was_tried_is_not_tried_again(sandbox, authorize, order_id, poor):
    with pytest.raises(payments.CardDeclined):
        authorize("pm_card_chargeDeclined")
    asked = len(sandbox.events("payment_intent.payment_failed"))

    with pytest.raises(payments.CardDeclined):
        authorize(POOR)

    assert len(sandbox.events("payment_intent.payment_failed")) == asked
    assert (status(order_id), left(order_id)) == ("DECLINED", 3)


def test_a_decline_that_suspects_fraud_is_followed_by_no_other_card(sandbox, authorize, order_id):
    for card in (STOLEN, GOOD):
        with pytest.raises(payments.CardDeclined) as declined:
            authorize(card)
        assert declined.value.facts == {"order_id": order_id, "decline_code": "card_declined", "attempts_left": 0}

    assert sandbox.ledger(order_id)[0]["authorizations"] == 0


def test_with_one_attempt_a_decline_ends_it(sandbox, authorize, order_id, settings):
    settings.PAYMENT_ATTEMPTS = 1
    for card in (POOR, GOOD):
        with pytest.raises(payments.CardDeclined) as declined:
            authorize(card)
        assert declined.value.facts["attempts_left"] == 0


def test_an_amount_that_cannot_be_charged_is_followed_by_no_other_card(sandbox, order_id):
    for card in ("pm_card_visa", OTHER):
        with pytest.raises(payments.UnchargeableAmount):
            payments.authorize_payment(order_id=order_id, amount=Money(1, "EUR"), payment_method=card)


def test_a_token_that_nobody_knows_counts_and_another_card_is_taken(sandbox, authorize, order_id, poor):
    with pytest.raises(payments.PaymentMethodRefused) as refused:
        authorize("pm_card_nonsense_at_all")
    assert refused.value.facts["attempts_left"] == 3

    assert authorize(GOOD).status == "AUTHORIZED"
    assert [tried for tried, _code in Payment.objects.get().refused] == [POOR, "pm_card_nonsense_at_all"]
    assert violations() == []


@pytest.mark.usefixtures("poor")
@pytest.mark.parametrize("fault", ["lost_answer", "lost_request", "error_500", "error_500_after_effect"])
@pytest.mark.parametrize("path", [CHANGE, "*/confirm"])
def test_whatever_is_lost_on_the_way_holds_the_money_once(sandbox, authorize, order_id, path, fault):
    sandbox.fail(fault, path)
    for _try in range(4):
        with suppress(payments.PaymentUnknown):
            authorize(GOOD)

    assert authorize(GOOD).status == "AUTHORIZED"
    assert sandbox.calls_failed() == 1
    assert sandbox.ledger(order_id)[0]["authorizations"] == 1
    assert len(Payment.objects.get().refused) == 1


def test_the_intent_has_the_card_before_that_is_written_and_no_money_moves(sandbox, authorize, order_id, poor):
    """SUBMITTED means: whatever is asked from now on is about this card."""
    seen = []
    real = StripeProvider.confirm_intent

    def confirm(self, *, intent_id, key):
        seen.append((status(order_id), sandbox.intent(order_id).status, sandbox.ledger(order_id)[0]["authorizations"]))
        return real(self, intent_id=intent_id, key=key)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(StripeProvider, "confirm_intent", confirm)
        authorize(GOOD)

    assert seen == [("SUBMITTED", "requires_confirmation", 0)]


def test_the_decline_of_the_card_before_heard_late_does_not_decline_this_one(sandbox, authorize, order_id):
    """One worker asked while the first card was tried, and hears the answer when the second is."""
    sandbox.fail("lost_answer", "*/confirm")
    with pytest.raises(payments.PaymentUnknown):
        authorize(POOR)

    with held("retrieve_intent") as asking, meanwhile(lambda: payments.refresh_payment(order_id=order_id)) as slow:
        asking.wait()
        with pytest.raises(payments.CardDeclined):
            authorize(POOR)
        sandbox.fail("lost_request", "*/confirm")
        with pytest.raises(payments.PaymentUnknown):
            authorize(GOOD)
        asking.goes_on.set()

    assert [state.status for state in slow] == ["UNKNOWN"]
    assert Payment.objects.get().refused == [[POOR, "insufficient_funds"]]
    assert authorize(GOOD).status == "AUTHORIZED"


def test_two_workers_with_the_other_card_hold_the_money_once(sandbox, authorize, order_id, poor):
    outcomes = in_threads(lambda: authorize(GOOD), lambda: authorize(GOOD))

    for outcome in outcomes:
        assert isinstance(outcome, payments.PaymentUnknown) or outcome.status == "AUTHORIZED"
    assert authorize(GOOD).status == "AUTHORIZED"
    assert sandbox.ledger(order_id)[0]["authorizations"] == 1
    assert len(Payment.objects.get().refused) == 1


@pytest.mark.usefixtures("poor")
@pytest.mark.parametrize("has_effect", [False, True])
@pytest.mark.parametrize("operation", ["change_method", "confirm_intent"])
def test_a_payment_that_is_closed_meanwhile_stays_closed(sandbox, authorize, order_id, operation, has_effect):
    with held(operation, has_effect=has_effect) as paying, meanwhile(lambda: authorize(GOOD)) as outcome:
        paying.wait()
        assert payments.void_payment(order_id=order_id, reason="customer_request").status == "VOIDED"
        paying.goes_on.set()

    if (operation, has_effect) == ("confirm_intent", True):
        with pytest.raises(payments.AuthorizationGone):  # what it has seen is out of date, and decides nothing
            payments.capture_payment(order_id=order_id, seen=outcome[0])
    else:
        assert isinstance(outcome[0], payments.PaymentClosed)
    assert status(order_id) == "VOIDED"
    assert sandbox.intent(order_id).status == "canceled"
    assert sandbox.money(order_id) == (0, 0)
    assert violations() == []


def confirm_in_the_browser(sandbox, order_id, card=OTHER):
    """Confirm the declined intent again, with its client_secret, behind the shop's back."""
    sandbox.stripe.v1.payment_intents.confirm(
        sandbox.intent(order_id).id, {"payment_method": card, "use_stripe_sdk": True}
    )


def test_a_late_success_is_the_success_and_no_other_card_is_asked(sandbox, authorize, order_id, poor):
    confirm_in_the_browser(sandbox, order_id)

    assert authorize(GOOD).status == "AUTHORIZED"
    assert Payment.objects.get().payment_method == POOR
    assert payments.capture_payment(order_id=order_id).status == "CAPTURED"
    assert sandbox.money(order_id) == (1, 4900)
    assert violations() == []


def test_a_late_success_is_heard_of_by_its_webhook(sandbox, authorize, order_id, poor, post_webhook):
    confirm_in_the_browser(sandbox, order_id)
    for event in sandbox.events("payment_intent.amount_capturable_updated"):
        assert post_webhook(event).status_code == 200

    tasks.apply_webhooks()

    assert status(order_id) == "AUTHORIZED"
    assert told(order_id)[-1] == "payment.authorized"


def test_a_late_success_is_found_by_reconciliation_and_named_by_the_audit(sandbox, authorize, order_id, poor):
    confirm_in_the_browser(sandbox, order_id)
    (found,) = violations()
    assert (found.promise, "DECLINED here, AUTHORIZED at the provider" in found.detail) == ("I11", True)

    tasks.reconcile_recent()

    assert status(order_id) == "AUTHORIZED"
    assert violations() == []


def test_the_card_is_changed_while_its_bank_waits_for_the_customer(sandbox, authorize, order_id):
    assert authorize(CHALLENGED).status == "REQUIRES_ACTION"
    assert left(order_id) == 4

    assert authorize(GOOD).status == "AUTHORIZED"

    assert Payment.objects.get().refused == [[CHALLENGED, "changed"]]
    assert sandbox.ledger(order_id)[0]["authorizations"] == 1
    assert authorize(CHALLENGED).status == "AUTHORIZED"
    assert violations() == []


def test_a_card_that_was_approved_at_its_bank_is_not_changed_any_more(sandbox, authorize, order_id):
    authorize(CHALLENGED)
    sandbox.answer_challenge(order_id, "approve")

    assert authorize(GOOD).status == "AUTHORIZED"

    assert (Payment.objects.get().payment_method, sandbox.ledger(order_id)[0]["authorizations"]) == (CHALLENGED, 1)


def test_a_customer_who_fails_to_authenticate_brings_another_card(sandbox, authorize, order_id):
    authorize(CHALLENGED)
    sandbox.answer_challenge(order_id, "fail")
    with pytest.raises(payments.CardDeclined) as declined:
        authorize(CHALLENGED)
    assert declined.value.facts["attempts_left"] == 4

    assert authorize(GOOD).status == "AUTHORIZED"


def test_another_card_cannot_overtake_one_that_nobody_knows_about(sandbox, authorize, order_id):
    sandbox.fail("lost_answer", "*/confirm")
    with pytest.raises(payments.PaymentUnknown):
        authorize(POOR)

    with pytest.raises(ValueError, match="being paid already"):
        authorize(GOOD)


def test_a_worker_that_was_left_behind_does_not_bring_the_first_card_back(sandbox, authorize, order_id, poor):
    sandbox.fail("lost_request", "*/confirm")
    with pytest.raises(payments.PaymentUnknown):
        authorize(GOOD)

    assert authorize(POOR).status == "AUTHORIZED"

    row = Payment.objects.get()
    assert (row.payment_method, row.refused) == (GOOD, [[POOR, "insufficient_funds"]])


def test_a_decline_that_is_recorded_while_the_card_is_changed_leaves_it_to_the_next_call(sandbox, authorize, order_id):
    authorize(CHALLENGED)
    with held("change_method", has_effect=False) as changing, meanwhile(lambda: authorize(GOOD)) as outcome:
        changing.wait()
        sandbox.answer_challenge(order_id, "fail")
        assert payments.refresh_payment(order_id=order_id).status == "DECLINED"
        changing.goes_on.set()

    assert isinstance(outcome[0], payments.PaymentUnknown)
    assert [method for method, _code in Payment.objects.get().refused] == [CHALLENGED]
    assert authorize(GOOD).status == "AUTHORIZED"
    assert sandbox.ledger(order_id)[0]["authorizations"] == 1
    assert violations() == []


def test_a_change_of_card_whose_key_was_refused_is_tried_under_a_new_one_and_counts_as_no_attempt(
    sandbox, authorize, order_id, poor
):
    payment = Payment.objects.get(pk=order_id)
    sandbox.stripe.v1.payment_intents.update(
        payment.intent_id, {"description": "x"}, {"idempotency_key": payment.key("method")}
    )

    with pytest.raises(payments.PaymentUnknown):
        authorize(GOOD)
    assert (status(order_id), left(order_id)) == ("DECLINED", 4)

    assert authorize(GOOD).status == "AUTHORIZED"
    assert Payment.objects.get().refused == [[POOR, "insufficient_funds"]]
