"""Holding the money: once, whatever is lost, repeated or raced."""

from __future__ import annotations

import signal
import uuid
from datetime import timedelta
from types import SimpleNamespace

import pytest
import stripe
from celery.exceptions import SoftTimeLimitExceeded
from django.db import connections

from payments import api as payments
from payments import metrics, tasks
from payments.gateways import ProviderMismatch
from payments.gateways.stripe import adapter as stripe_adapter
from payments.gateways.stripe.adapter import StripeProvider
from payments.models import Outbox, Payment
from payments.services import authorize as authorizing
from shop import transactions
from shop.clock import now
from shop.ids import new_id
from shop.money import Money
from tests.driver.provider import in_threads
from tests.integration.payments.books import PRICE, violations


def told(order_id):
    return list(Outbox.objects.filter(aggregate_id=order_id).order_by("id").values_list("type", flat=True))


def status(order_id):
    return payments.get_payment(order_id=order_id).status


def test_authorizing_holds_the_money_and_takes_none(sandbox, authorize, order_id):
    state = authorize()

    assert (state.status, state.amount, state.captured.minor) == ("AUTHORIZED", PRICE, 0)
    assert sandbox.intent(order_id).status == "requires_capture"
    assert told(order_id) == ["payment.opened", "payment.submitted"]
    assert status(order_id) == "SUBMITTED"
    assert violations() == []


def test_authorization_that_nobody_captured_is_found_by_asking(sandbox, authorize, order_id, all_due):
    authorize()
    all_due()

    assert tasks.resolve_unknown_payments() == 1

    assert status(order_id) == "AUTHORIZED"
    assert told(order_id)[-1] == "payment.authorized"
    assert authorize().status == "AUTHORIZED"
    assert violations() == []


def test_authorizing_takes_two_statements_and_capturing_what_was_seen_one(sandbox, authorize, order_id, sql_guard):
    seen = authorize()
    authorizing = list(sql_guard.statements)
    sql_guard.statements.clear()
    payments.capture_payment(order_id=order_id, seen=seen)

    assert len(authorizing) == 2, authorizing
    assert len(sql_guard.statements) == 1, sql_guard.statements


def test_confirmation_is_sent_only_after_its_intent_is_durable(sandbox, authorize, order_id, monkeypatch):
    """Spree #9265: a flag that was not committed before the call let a second worker charge again."""
    from payments.gateways.stripe.adapter import StripeProvider

    seen = []
    real = StripeProvider.confirm_intent

    def confirm(self, *, intent_id, key):
        (outside,) = in_threads(lambda: Payment.objects.get(pk=order_id))
        seen.append((outside.status, outside.intent_id == intent_id, outside.key("confirm") == key))
        return real(self, intent_id=intent_id, key=key)

    monkeypatch.setattr(StripeProvider, "confirm_intent", confirm)
    authorize()

    assert seen == [("SUBMITTED", True, True)]


def test_provider_is_never_called_inside_a_transaction(sandbox, authorize):
    with pytest.raises(transactions.TransactionMisuse), transactions.transaction("payments"):
        authorize()


def test_repeated_authorization_answers_the_same_and_holds_once(sandbox, authorize, order_id):
    first, second = authorize(), authorize()

    assert first.intent_id == second.intent_id
    assert sandbox.ledger(order_id)[0]["authorizations"] == 1


def test_declined_card_is_refused_with_its_code_and_stays_so(sandbox, authorize, order_id):
    for _time in range(2):
        with pytest.raises(payments.CardDeclined) as declined:
            authorize("pm_card_chargeDeclinedInsufficientFunds")
        assert declined.value.decline_code == "insufficient_funds"

    assert status(order_id) == "DECLINED"
    assert told(order_id)[-1] == "payment.failed"


def test_repeated_request_never_answers_success_for_a_failed_payment(sandbox, authorize, order_id):
    """The article's createPayment answered with the stored payment whatever its status was."""
    with pytest.raises(payments.CardDeclined):
        authorize("pm_card_chargeDeclined")

    with pytest.raises(payments.CardDeclined):
        authorize("pm_card_chargeDeclined")


def test_repeated_request_never_answers_success_for_a_pending_payment(sandbox, authorize, order_id):
    sandbox.fail("lost_request", "*/confirm", times=2)

    for _time in range(2):
        with pytest.raises(payments.PaymentUnknown):
            authorize()

    assert status(order_id) == "UNKNOWN"


def test_unknown_payment_method_is_refused_before_anything_is_held_and_is_no_declined_card(
    sandbox, authorize, order_id
):
    for _repeated in range(2):
        with pytest.raises(payments.PaymentMethodRefused, match="payment_method:resource_missing"):
            authorize("pm_card_nonsense_at_all")

    assert status(order_id) == "DECLINED"
    assert payments.void_payment(order_id=order_id, reason="declined").status == "VOIDED"


def test_three_d_secure_gives_the_secret_only_to_the_caller(sandbox, authorize, order_id, capsys):
    state = authorize("pm_card_authenticationRequired")

    assert (state.status, state.next_action) == ("REQUIRES_ACTION", "use_stripe_sdk")
    secret = sandbox.intent(order_id).client_secret
    assert state.client_secret == secret
    assert payments.refresh_payment(order_id=order_id).client_secret == secret
    assert payments.get_payment(order_id=order_id).client_secret == ""
    assert secret not in repr(state)
    with connections[transactions.alias_for("payments")].cursor() as cursor:
        for table in ("payments_payment", "payments_outbox"):
            cursor.execute(f"SELECT count(*) FROM {table} AS t WHERE t::text LIKE %s", [f"%{secret}%"])
            assert cursor.fetchone() == (0,)
    printed = capsys.readouterr()
    assert secret not in printed.out + printed.err


@pytest.mark.parametrize(("outcome", "expected"), [("approve", "AUTHORIZED"), ("fail", "DECLINED")])
def test_three_d_secure_is_recorded_as_the_customer_answered(sandbox, authorize, order_id, outcome, expected):
    authorize("pm_card_authenticationRequired")
    sandbox.answer_challenge(order_id, outcome)

    assert payments.refresh_payment(order_id=order_id).status == expected


def test_breaker_opens_on_failures_and_then_nothing_is_sent(sandbox, authorize, settings):
    settings.BREAKER_MINIMUM_CALLS = 4
    sandbox.fail("error_500", "/v1/payment_intents", times=None)
    for _time in range(4):
        with pytest.raises(payments.PaymentUnknown):
            authorize(order=new_id())
    sent = sandbox.calls_failed()

    with pytest.raises(payments.PaymentProviderUnavailable) as unavailable:
        authorize(order=new_id())

    assert 0 < unavailable.value.retry_after_seconds <= 30
    assert sandbox.calls_failed() == sent


def test_the_end_of_a_workers_time_inside_a_call_is_not_taken_for_a_lost_answer(sandbox, authorize, order_id, all_due):
    sandbox.fail("late", "*/confirm", delay_seconds=60)

    def end_of_time(_number, _frame):
        raise SoftTimeLimitExceeded

    before = signal.signal(signal.SIGALRM, end_of_time)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        with pytest.raises(SoftTimeLimitExceeded):
            authorize()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    assert stripe_adapter.BREAKER.state().failures == 0
    all_due()
    tasks.resolve_unknown_payments()
    assert status(order_id) == "AUTHORIZED"


def test_declines_never_open_the_breaker(sandbox, authorize, settings):
    settings.BREAKER_MINIMUM_CALLS = 2
    for _time in range(4):
        with pytest.raises(payments.CardDeclined):
            authorize("pm_card_chargeDeclined", order=new_id())

    assert authorize().status == "AUTHORIZED"


def test_two_workers_authorizing_one_order_hold_once(sandbox, authorize, order_id):
    outcomes = in_threads(*[authorize] * 6)

    assert authorize().status == "AUTHORIZED"
    assert {type(one) for one in outcomes} <= {payments.PaymentState, payments.PaymentUnknown}
    assert [line["authorizations"] for line in sandbox.ledger(order_id)] == [1]
    assert violations() == []


def test_payment_of_another_amount_under_the_same_order_is_a_bug(sandbox, authorize, order_id):
    from shop.money import Money

    authorize()

    with pytest.raises(ValueError, match="being paid already"):
        payments.authorize_payment(order_id=order_id, amount=Money(1, "EUR"), payment_method="pm_card_visa")


def test_intent_of_another_amount_is_never_recorded(sandbox, authorize, order_id):
    sandbox.fail("lost_request", "*/confirm")
    with pytest.raises(payments.PaymentUnknown):
        authorize()
    sandbox.stripe.v1.payment_intents.update(sandbox.intent(order_id).id, {"amount": 99})

    with pytest.raises(ProviderMismatch):
        payments.refresh_payment(order_id=order_id)
    assert status(order_id) == "UNKNOWN"


def test_yen_and_dinars_are_charged_as_the_provider_counts(sandbox):
    from shop.money import Money

    for amount, units in ((Money(500, "JPY"), 500), (Money(5120, "KWD"), 5120), (Money(700, "ISK"), 70000)):
        order_id = uuid.uuid4()
        state = payments.authorize_payment(order_id=order_id, amount=amount, payment_method="pm_card_visa")
        assert (state.amount, sandbox.intent(order_id).amount) == (amount, units)
    with pytest.raises(payments.UnchargeableAmount):
        payments.authorize_payment(order_id=uuid.uuid4(), amount=Money(5124, "KWD"), payment_method="pm_card_visa")


def test_gateway_itself_refuses_to_call_inside_a_transaction(sandbox):
    from payments.gateways import provider

    with pytest.raises(transactions.TransactionMisuse), transactions.transaction("payments"):
        provider().retrieve_intent(intent_id="pi_any")


def test_a_currency_that_the_provider_does_not_take_is_no_declined_card(sandbox, order_id):
    counted = refused_requests("amount")
    for _repeated in range(2):
        with pytest.raises(payments.UnchargeableAmount, match="amount:"):
            payments.authorize_payment(order_id=order_id, amount=Money(1000, "LYD"), payment_method="pm_card_visa")

    assert refused_requests("amount") == counted + 1
    assert payments.void_payment(order_id=order_id, reason="refused").status == "VOIDED"


def test_a_token_that_was_used_is_no_declined_card(sandbox, authorize, monkeypatch):
    def used(*_arguments, **_more):
        message = "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment."
        raise stripe.InvalidRequestError(message, param=None, http_status=400)

    monkeypatch.setattr(StripeProvider, "_post", used)

    with pytest.raises(payments.PaymentMethodRefused, match="payment_method_used"):
        authorize()


def refused_requests(kind):
    return metrics.REFUSED_REQUESTS.labels(kind)._value.get()


def test_an_amount_that_the_provider_will_not_charge_is_no_declined_card(sandbox, order_id):
    for _repeated in range(2):
        with pytest.raises(payments.UnchargeableAmount, match="amount_too_small"):
            payments.authorize_payment(order_id=order_id, amount=Money(10, "EUR"), payment_method="pm_card_visa")

    assert payments.void_payment(order_id=order_id, reason="refused").status == "VOIDED"


def test_worker_that_slept_a_day_before_it_asked_finds_what_another_one_made(sandbox, authorize, order_id, monkeypatch):
    """Its row is as it was inserted: nothing of it was read back from the database."""
    moments = iter([now()])
    monkeypatch.setattr(authorizing, "clock", SimpleNamespace(now=lambda: next(moments, now() + timedelta(hours=25))))

    assert authorize().status == "AUTHORIZED"

    assert len(sandbox.intents(order_id)) == 1
    assert violations() == []


def test_another_intent_of_the_same_order_and_amount_is_never_recorded(sandbox, authorize, order_id, monkeypatch):
    authorize()
    other = sandbox.stripe.v1.payment_intents.create(
        {"amount": 4900, "currency": "eur", "metadata": {"installation": "shop", "order_id": str(order_id)}}
    )
    real = StripeProvider.retrieve_intent
    monkeypatch.setattr(StripeProvider, "retrieve_intent", lambda self, *, intent_id: real(self, intent_id=other.id))

    with pytest.raises(ProviderMismatch, match=r"differs from our payment in intent_id$"):
        payments.refresh_payment(order_id=order_id)
    assert status(order_id) == "SUBMITTED"


def test_part_of_the_amount_taken_by_somebody_else_is_never_recorded_as_the_capture(sandbox, authorize, order_id):
    authorize()
    sandbox.stripe.v1.payment_intents.capture(sandbox.intent(order_id).id, {"amount_to_capture": 1000})

    with pytest.raises(ProviderMismatch, match=r"differs from our payment in captured$"):
        payments.refresh_payment(order_id=order_id)
    assert status(order_id) == "SUBMITTED"
