"""Taking the money, and making sure that none is taken."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from payments import api as payments
from payments import tasks
from payments.gateways.stripe.adapter import StripeProvider
from payments.models import Outbox, Payment, Refund, StrayIntent
from payments.services import void
from payments.services.void import REFUNDS
from tests.driver.provider import in_threads, refunds_refused
from tests.integration.payments.books import violations


def status(order_id):
    return payments.get_payment(order_id=order_id).status


def versions(order_id):
    return list(Outbox.objects.filter(aggregate_id=order_id).order_by("id").values_list("aggregate_version", flat=True))


def test_capture_takes_the_whole_amount_once_however_often_it_is_called(sandbox, captured, order_id):
    again = payments.capture_payment(order_id=order_id)

    assert captured == again
    assert (again.status, again.captured) == ("CAPTURED", again.amount)
    assert sandbox.money(order_id) == (1, 4900)
    assert violations() == []


def test_capture_whose_answer_is_lost_is_unknown_and_found_by_asking(sandbox, authorize, order_id, all_due):
    authorize()
    sandbox.fail("lost_answer", "*/capture")

    with pytest.raises(payments.PaymentUnknown):
        payments.capture_payment(order_id=order_id)
    assert status(order_id) == "AUTHORIZED"  # it was asked before it was captured
    all_due()
    assert tasks.resolve_unknown_payments() == 1

    assert status(order_id) == "CAPTURED"
    assert sandbox.money(order_id) == (1, 4900)


def test_capture_that_never_arrived_is_left_to_its_caller_by_the_sweep(sandbox, authorize, order_id, all_due):
    authorize()
    sandbox.fail("lost_request", "*/capture")
    with pytest.raises(payments.PaymentUnknown):
        payments.capture_payment(order_id=order_id)
    all_due()

    assert tasks.resolve_unknown_payments() == 0
    assert Payment.objects.get(pk=order_id).due_at is None
    assert payments.capture_payment(order_id=order_id).status == "CAPTURED"


@pytest.mark.parametrize("fault", ["error_500", "error_500_after_effect"])
def test_capture_heals_after_a_server_error(sandbox, authorize, order_id, fault):
    authorize()
    sandbox.fail(fault, "*/capture")
    with pytest.raises(payments.PaymentUnknown):
        payments.capture_payment(order_id=order_id)

    assert payments.capture_payment(order_id=order_id).status == "CAPTURED"
    assert sandbox.money(order_id) == (1, 4900)


def test_capture_of_what_was_seen_held_is_one_call_to_the_provider(sandbox, authorize, order_id):
    seen = authorize()
    sandbox.fail("error_500", "*", method="GET", times=None)

    assert payments.capture_payment(order_id=order_id, seen=seen).status == "CAPTURED"
    assert sandbox.calls_failed() == 0
    sandbox.heal()
    assert versions(order_id) == [1, 2, 3]
    assert violations() == []


@pytest.mark.parametrize("fault", ["lost_request", "lost_answer", "error_500", "error_500_after_effect"])
def test_capture_of_what_was_seen_held_heals_when_its_answer_is_lost(sandbox, authorize, order_id, fault):
    seen = authorize()
    sandbox.fail(fault, "*/capture")
    with pytest.raises(payments.PaymentUnknown):
        payments.capture_payment(order_id=order_id, seen=seen)

    assert payments.capture_payment(order_id=order_id).status == "CAPTURED"
    assert sandbox.money(order_id) == (1, 4900)
    assert violations() == []


def test_capture_of_what_was_seen_held_and_is_gone_since_voids(sandbox, authorize, order_id):
    seen = authorize()
    sandbox.expire(order_id)

    with pytest.raises(payments.AuthorizationGone):
        payments.capture_payment(order_id=order_id, seen=seen)

    assert status(order_id) == "VOIDED"
    assert violations() == []


def test_capture_of_what_another_worker_has_voided_since_takes_nothing(sandbox, authorize, order_id):
    seen = authorize()
    payments.void_payment(order_id=order_id, reason="customer")

    with pytest.raises(payments.AuthorizationGone):
        payments.capture_payment(order_id=order_id, seen=seen)

    assert sandbox.money(order_id) == (0, 0)
    assert violations() == []


def test_capture_without_a_word_of_the_authorization_asks_first(sandbox, authorize, order_id):
    """A process died after the provider had authorized, and nothing of that was written."""
    authorize()
    assert status(order_id) == "SUBMITTED"

    assert payments.capture_payment(order_id=order_id).status == "CAPTURED"
    assert versions(order_id) == [1, 2, 3, 4]


def test_capture_of_a_payment_whose_outcome_is_not_known_is_unknown(sandbox, authorize, order_id):
    sandbox.fail("lost_request", "*/confirm")
    with pytest.raises(payments.PaymentUnknown):
        authorize()

    with pytest.raises(payments.PaymentUnknown):
        payments.capture_payment(order_id=order_id)
    assert sandbox.money(order_id) == (0, 0)


def test_capture_after_the_authorization_expired_voids(sandbox, authorize, order_id):
    authorize()
    sandbox.expire(order_id)

    for _time in range(2):
        with pytest.raises(payments.AuthorizationGone):
            payments.capture_payment(order_id=order_id)

    assert status(order_id) == "VOIDED"
    assert sandbox.money(order_id) == (0, 0)
    assert violations() == []


def test_capture_of_what_is_not_authorized_is_refused(sandbox, authorize, order_id):
    with pytest.raises(payments.PaymentNotAuthorized):
        payments.capture_payment(order_id=order_id)
    authorize("pm_card_authenticationRequired")

    with pytest.raises(payments.PaymentNotAuthorized):
        payments.capture_payment(order_id=order_id)


def test_void_before_any_payment_closes_the_door_to_one_that_comes_late(sandbox, authorize, order_id):
    assert payments.void_payment(order_id=order_id, reason="customer").status == "VOIDED"

    with pytest.raises(payments.PaymentClosed):
        authorize()
    assert sandbox.intents(order_id) == []
    assert versions(order_id) == [1]
    assert violations() == []


def test_void_cancels_at_the_provider_before_it_is_recorded(sandbox, authorize, order_id):
    authorize()

    assert payments.void_payment(order_id=order_id, reason="customer").status == "VOIDED"
    assert sandbox.intent(order_id).status == "canceled"
    assert payments.void_payment(order_id=order_id, reason="customer").status == "VOIDED"
    assert violations() == []


@pytest.mark.parametrize("fault", ["lost_request", "lost_answer", "error_500", "error_500_after_effect"])
def test_void_without_an_answer_closes_nothing_until_it_has_one(sandbox, authorize, order_id, fault):
    authorize()
    sandbox.fail(fault, "*/cancel")

    with pytest.raises(payments.PaymentUnknown):
        payments.void_payment(order_id=order_id, reason="customer")
    assert status(order_id) == "SUBMITTED"

    assert payments.void_payment(order_id=order_id, reason="customer").status == "VOIDED"
    assert sandbox.intent(order_id).status == "canceled"


def test_void_after_a_decline_fences_a_second_confirmation_from_the_browser(sandbox, authorize, order_id):
    with pytest.raises(payments.CardDeclined):
        authorize("pm_card_chargeDeclined")
    intent_id = sandbox.intent(order_id).id
    sandbox.stripe.v1.payment_intents.confirm(intent_id, {"payment_method": "pm_card_visa"})
    assert sandbox.intent(order_id).status == "requires_capture"

    assert payments.void_payment(order_id=order_id, reason="declined").status == "VOIDED"

    assert sandbox.intent(order_id).status == "canceled"
    assert sandbox.ledger(order_id)[0]["held"] == 0
    assert violations() == []


def test_void_while_unknown_wins_over_a_confirmation_that_arrives_late(sandbox, authorize, order_id):
    sandbox.fail("lost_request", "*/confirm")
    with pytest.raises(payments.PaymentUnknown):
        authorize()

    payments.void_payment(order_id=order_id, reason="deadline")

    with pytest.raises(payments.PaymentClosed):
        authorize()
    assert sandbox.ledger(order_id)[0]["held"] == 0


def test_void_of_a_captured_payment_gives_all_of_it_back(sandbox, captured, order_id):
    state = payments.void_payment(order_id=order_id, reason="customer")

    assert (state.status, state.refunded) == ("REFUNDED", state.amount)
    assert sandbox.money(order_id) == (1, 0)
    assert violations() == []


def test_void_that_finds_the_money_taken_records_the_capture_and_refunds_it(sandbox, authorize, order_id):
    authorize()
    sandbox.stripe.v1.payment_intents.capture(sandbox.intent(order_id).id)

    assert payments.void_payment(order_id=order_id, reason="customer").status == "REFUNDED"
    assert sandbox.money(order_id) == (1, 0)
    assert violations() == []


def test_void_sends_the_money_back_again_that_the_provider_refused_to_return(sandbox, captured, order_id):
    with refunds_refused():
        for _call in range(2):
            with pytest.raises(payments.RefundRefused):
                payments.void_payment(order_id=order_id, reason="customer")

    assert status(order_id) == "CAPTURED"
    assert payments.void_payment(order_id=order_id, reason="customer").status == "REFUNDED"
    assert payments.void_payment(order_id=order_id, reason="customer").status == "REFUNDED"
    assert sorted(Refund.objects.values_list("status", flat=True)) == ["FAILED", "FAILED", "SUCCEEDED"]
    assert sandbox.money(order_id) == (1, 0)
    assert violations() == []


def test_void_gives_up_after_its_tries_and_does_not_count_what_a_dispute_refused(sandbox, captured, order_id):
    with refunds_refused():
        for _call in range(REFUNDS + 2):
            with pytest.raises(payments.RefundRefused):
                payments.void_payment(order_id=order_id, reason="customer")
    with pytest.raises(payments.RefundRefused):
        payments.void_payment(order_id=order_id, reason="customer")
    assert Refund.objects.count() == REFUNDS

    Refund.objects.update(failure_code="charge_disputed")

    assert payments.void_payment(order_id=order_id, reason="customer").status == "REFUNDED"
    assert sandbox.money(order_id) == (1, 0)
    assert violations() == []


def test_void_refunds_again_what_the_bank_has_returned(sandbox, authorize, order_id):
    authorize("pm_card_pendingRefund")
    payments.capture_payment(order_id=order_id)
    payments.void_payment(order_id=order_id, reason="customer")
    first = Refund.objects.get()
    sandbox.control("POST", f"refunds/{first.provider_refund_id}/settle", {"outcome": "fail"})
    assert payments.refresh_payment(order_id=order_id).owed == first.payment.amount

    state = payments.void_payment(order_id=order_id, reason="customer")

    assert (state.status, state.refunded, state.owed.minor) == ("REFUNDED", state.amount, 0)
    assert sandbox.money(order_id) == (1, 0)
    assert violations() == []


def test_authorize_and_void_at_once_leave_no_money_held(sandbox, authorize, order_id):
    def void():
        return payments.void_payment(order_id=order_id, reason="customer")

    in_threads(authorize, void, authorize, void)

    for _time in range(20):
        try:
            closed = void()
            break
        except payments.PaymentUnknown:
            continue
    assert closed.status == "VOIDED"
    with pytest.raises(payments.PaymentClosed):
        authorize()
    assert all(line["held"] == 0 and line["net"] == 0 for line in sandbox.ledger(order_id))
    assert all(intent.status in ("canceled", "requires_confirmation") for intent in sandbox.intents(order_id))
    assert versions(order_id) == list(range(1, len(versions(order_id)) + 1))


def void_before_submission(monkeypatch, order_id):
    """Have another worker close the payment right after its intent was made."""
    real = StripeProvider.create_intent

    def create(self, **facts):
        intent = real(self, **facts)
        in_threads(lambda: payments.void_payment(order_id=order_id, reason="customer"))
        return intent

    monkeypatch.setattr(StripeProvider, "create_intent", create)


def test_void_between_creation_and_submission_abandons_the_intent(sandbox, authorize, order_id, monkeypatch):
    void_before_submission(monkeypatch, order_id)
    with pytest.raises(payments.PaymentClosed):
        authorize()

    assert status(order_id) == "VOIDED"
    assert sandbox.intent(order_id).status == "canceled"


def test_stale_snapshot_never_moves_a_payment_backwards(sandbox, authorize, order_id):
    from payments.gateways import provider
    from payments.services.recording import record_intent

    authorize()
    row = Payment.objects.get(pk=order_id)
    stale = provider().retrieve_intent(intent_id=row.intent_id)
    waiting = Payment.objects.get(pk=order_id)
    waiting.status = "SUBMITTED"
    payments.void_payment(order_id=order_id, reason="customer")

    assert record_intent(waiting, stale).status == "VOIDED"
    assert status(order_id) == "VOIDED"


def forget_keys():
    """Let the provider have forgotten the keys of what was sent."""
    Payment.objects.update(attempt_began_at=Now() - timedelta(hours=25))


def test_capture_a_day_later_asks_first_and_goes_under_a_new_key(sandbox, authorize, order_id):
    authorize()
    payments.refresh_payment(order_id=order_id)
    forget_keys()

    assert payments.capture_payment(order_id=order_id).status == "CAPTURED"
    assert Payment.objects.get().attempt == 2
    assert sandbox.money(order_id) == (1, 4900)
    assert violations() == []


def test_capture_a_day_after_its_answer_was_lost_is_not_sent_again(sandbox, authorize, order_id):
    authorize()
    payments.refresh_payment(order_id=order_id)
    sandbox.fail("lost_answer", "*/capture")
    with pytest.raises(payments.PaymentUnknown):
        payments.capture_payment(order_id=order_id)
    forget_keys()
    sandbox.fail("error_500", "*/capture", times=None)

    assert payments.capture_payment(order_id=order_id).status == "CAPTURED"
    assert sandbox.calls_failed() == 1
    assert sandbox.money(order_id) == (1, 4900)


def test_capture_of_what_was_seen_captured_takes_nothing_more_and_tells_how_it_stands_now(sandbox, captured, order_id):
    assert payments.capture_payment(order_id=order_id, seen=captured).status == "CAPTURED"
    payments.void_payment(order_id=order_id, reason="customer")

    assert payments.capture_payment(order_id=order_id, seen=captured).status == "REFUNDED"
    assert sandbox.money(order_id) == (1, 0)


@pytest.mark.parametrize(
    ("operation", "call", "end"),
    [
        ("capture", lambda order_id: payments.capture_payment(order_id=order_id), "CAPTURED"),
        ("cancel", lambda order_id: payments.void_payment(order_id=order_id, reason="customer"), "VOIDED"),
    ],
)
def test_call_whose_key_was_refused_once_is_tried_under_a_new_one(  # noqa: PLR0917  three of them are cases
    sandbox, authorize, order_id, operation, call, end
):
    authorize()
    payments.refresh_payment(order_id=order_id)
    payment = Payment.objects.get(pk=order_id)
    sandbox.stripe.v1.payment_intents.update(
        payment.intent_id, {"description": "x"}, {"idempotency_key": payment.key(operation)}
    )

    with pytest.raises(payments.PaymentUnknown):
        call(order_id)
    assert status(order_id) == "AUTHORIZED"

    assert call(order_id).status == end
    assert violations() == []


def test_void_a_day_later_goes_under_a_new_key(sandbox, authorize, order_id):
    authorize()
    forget_keys()

    assert payments.void_payment(order_id=order_id, reason="customer").status == "VOIDED"
    assert Payment.objects.get().attempt == 2
    assert sandbox.intent(order_id).status == "canceled"


def test_void_whose_rounds_are_over_says_that_it_is_not_known_and_the_next_call_says_it(
    sandbox, authorize, order_id, monkeypatch
):
    authorize()
    with monkeypatch.context() as short:
        short.setattr(void, "ROUNDS", 1)
        with pytest.raises(payments.PaymentUnknown, match="keeps moving"):
            payments.void_payment(order_id=order_id, reason="customer")

    assert payments.void_payment(order_id=order_id, reason="customer").status == "VOIDED"


def test_intent_that_lost_the_race_and_could_not_be_canceled_is_canceled_by_the_sweep(
    sandbox, authorize, order_id, monkeypatch
):
    void_before_submission(monkeypatch, order_id)
    sandbox.fail("error_500", "*/cancel")
    with pytest.raises(payments.PaymentClosed):
        authorize()
    assert (StrayIntent.objects.get().reason, sandbox.intent(order_id).status) == (
        "SECOND_INTENT",
        "requires_confirmation",
    )

    assert tasks.settle_strays() == 1

    assert sandbox.intent(order_id).status == "canceled"
    assert violations() == []
