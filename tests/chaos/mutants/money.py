"""Mutants of payments: money taken twice, taken after the fence, given back twice, or believed of the wrong one."""

from __future__ import annotations

from tests.chaos.mutants.mutant import Mutant

AUTHORIZE = "payments/services/authorize.py"
VOID = "payments/services/void.py"
REFUND = "payments/services/refund.py"
STRIPE = "payments/gateways/stripe_api.py"
SIGNATURES = "payments/gateways/stripe_webhooks.py"
TESTS = "tests/integration/payments"

MUTANTS = (
    Mutant(
        removes="the intent's id on record before money can be held",
        promise="I11",
        file=AUTHORIZE,
        old="    check_is_ours(payment, intent)\n    payment = change(",
        new='    check_is_ours(payment, intent)\n    provider().confirm_intent(intent_id=intent.intent_id, key=payment.key("confirm"))\n    payment = change(',
        killers=(f"{TESTS}/test_authorize.py::test_confirmation_is_sent_only_after_its_intent_is_durable",),
    ),
    Mutant(
        removes="the doubt after a timeout: it counts as a decline",
        promise="I11",
        file=AUTHORIZE,
        old="    except PaymentUnknown as error:\n        record_unanswered(payment, error)\n        raise\n    return _answer(",
        new=(
            "    except PaymentUnknown:\n"
            '        event = PaymentFailed(order_id=payment.order_id, decline_code="timeout")\n'
            "        return _answer(\n"
            "            change(payment, expected=UNANSWERED, to=PaymentStatus.DECLINED, event=event, due_at=None)\n"
            "        )\n"
            "    return _answer("
        ),
        killers=(f"{TESTS}/test_authorize.py::test_timed_out_charge_is_not_treated_as_a_failure",),
    ),
    Mutant(
        removes="the difference between an intent that was declined and one that was never confirmed",
        promise="I11",
        file="payments/rules.py",
        old='    if provider_status == "requires_payment_method" and not attempt_failed:\n',
        new="    if False:\n",
        killers=("tests/unit/payments/test_rules.py::test_intent_that_was_never_confirmed_implies_nothing",),
    ),
    Mutant(
        removes="the key under which an intent is created",
        promise="I4",
        file=STRIPE,
        old=(
            '                        "metadata": _marks(order_id=order_id),\n                    },\n'
            '                    {"idempotency_key": key},\n'
        ),
        new='                        "metadata": _marks(order_id=order_id),\n                    },\n',
        killers=(f"{TESTS}/test_authorize.py::test_lost_creation_is_repeated_under_its_key_and_makes_one_intent",),
    ),
    Mutant(
        removes="the search for an intent whose key the provider has forgotten",
        promise="I4",
        file=AUTHORIZE,
        old="        if found is not None:\n            return found\n",
        new="",
        killers=(f"{TESTS}/test_authorize.py::test_creation_older_than_its_key_is_looked_for_before_it_is_repeated",),
    ),
    Mutant(
        removes="the comparison of the provider's intent with the order",
        promise="I4",
        file="payments/services/recording.py",
        old="    if wrong:\n        log.error",
        new="    if False:\n        log.error",
        killers=(f"{TESTS}/test_authorize.py::test_intent_of_another_amount_is_never_recorded",),
    ),
    Mutant(
        removes="the ban on calls to the provider inside a transaction",
        promise="I10",
        file=STRIPE,
        old="        transactions.forbid()\n\n        def answer",
        new="        def answer",
        killers=(f"{TESTS}/test_authorize.py::test_gateway_itself_refuses_to_call_inside_a_transaction",),
    ),
    Mutant(
        removes="the fence at the provider before a payment is VOIDED",
        promise="I2",
        file=VOID,
        old="        if payment.status == PaymentStatus.NEW or (payment.status in OPEN and payment.intent_id is None):\n",
        new="        if payment.status in (PaymentStatus.NEW, *OPEN):\n",
        killers=(f"{TESTS}/test_capture_and_void.py::test_void_cancels_at_the_provider_before_it_is_recorded",),
    ),
    Mutant(
        removes="the fence after a decline, which the browser can confirm again",
        promise="I2",
        file=VOID,
        old="CLOSED = (PaymentStatus.VOIDED, PaymentStatus.REFUNDED)\n",
        new="CLOSED = (PaymentStatus.VOIDED, PaymentStatus.REFUNDED, PaymentStatus.DECLINED)\n",
        killers=(
            f"{TESTS}/test_capture_and_void.py::test_void_after_a_decline_fences_a_second_confirmation_from_the_browser",
        ),
    ),
    Mutant(
        removes="the tombstone of a void that comes before its payment",
        promise="I2",
        file=VOID,
        old='    with transactions.transaction("payments"):\n        if insert_first(tombstone):\n',
        new='    with transactions.transaction("payments"):\n        if True:\n',
        killers=(
            f"{TESTS}/test_capture_and_void.py::test_void_before_any_payment_closes_the_door_to_one_that_comes_late",
        ),
    ),
    Mutant(
        removes="the way back of money that a void finds taken",
        promise="I6",
        file=VOID,
        old="        if payment.status in CLOSED:\n",
        new="        if payment.status in (*CLOSED, PaymentStatus.CAPTURED):\n",
        killers=(
            f"{TESTS}/test_capture_and_void.py::test_void_that_finds_the_money_taken_records_the_capture_and_refunds_it",
        ),
    ),
    Mutant(
        removes="the further refund where a void's was refused",
        promise="I6",
        file=VOID,
        old=" for refund_id in ids if refund_id not in failed)",
        new=" for refund_id in ids)",
        killers=(
            f"{TESTS}/test_capture_and_void.py::test_void_sends_the_money_back_again_that_the_provider_refused_to_return",
        ),
    ),
    Mutant(
        removes="the moment at which a payment's row was made, for a worker that sleeps on it",
        promise="I10",
        file=AUTHORIZE,
        old="payment.attempt_began_at = payment.created_at = clock.now()",
        new="payment.attempt_began_at = clock.now()",
        killers=(
            f"{TESTS}/test_authorize.py::test_worker_that_slept_a_day_before_it_asked_finds_what_another_one_made",
        ),
    ),
    Mutant(
        removes="the question why a capture was refused: it counts as done",
        promise="I5",
        file="payments/services/capture.py",
        old="    except ProviderRefused:\n        # Captured already, or the authorization is gone: how it stands now decides.\n        intent = provider().retrieve_intent(intent_id=intent_id)\n",
        new='    except ProviderRefused:\n        from dataclasses import replace\n\n        intent = provider().retrieve_intent(intent_id=intent_id)\n        intent = replace(intent, status="succeeded", captured=intent.amount)\n',
        killers=(f"{TESTS}/test_capture_and_void.py::test_capture_after_the_authorization_expired_voids",),
    ),
    Mutant(
        removes="the cap on refunds",
        promise="I4",
        file=REFUND,
        old="        .filter(room__gte=wanted.minor)\n",
        new="",
        killers=(f"{TESTS}/test_refunds.py::test_refund_above_what_is_left_is_refused",),
    ),
    Mutant(
        removes="the look, under the payment's lock, at whether a refund was asked for before",
        promise="I4",
        file=REFUND,
        old="        if (earlier := Refund.objects.filter(pk=refund_id).first()) is not None:\n",
        new="        if (earlier := None) is not None:\n",
        killers=(f"{TESTS}/test_refunds.py::test_two_workers_who_both_saw_no_refund_make_one",),
    ),
    Mutant(
        removes="the question to the provider before a refund is repeated",
        promise="I4",
        file=REFUND,
        old="        return _send(refund, ask_first=True)\n",
        new="        return _send(refund, ask_first=False)\n",
        killers=(f"{TESTS}/test_refunds.py::test_refund_without_an_answer_is_taken_up_again_and_made_once",),
    ),
    Mutant(
        removes="the key under which a refund is made",
        promise="I4",
        file=STRIPE,
        old=(
            '                        "metadata": _marks(order_id=order_id, refund_id=refund_id),\n                    },\n'
            '                    {"idempotency_key": key},\n'
        ),
        new='                        "metadata": _marks(order_id=order_id, refund_id=refund_id),\n                    },\n',
        killers=(
            f"{TESTS}/test_refunds.py::test_refund_that_is_still_on_its_way_is_not_made_again_by_a_second_worker",
        ),
    ),
    Mutant(
        removes="the signature of webhooks",
        promise="edge",
        file=SIGNATURES,
        old="    if not any(_is_signed(text, signature, secret) for secret in secrets):\n",
        new="    if False:\n",
        killers=("tests/unit/payments/test_rules.py::test_notice_is_read_from_a_signed_body_only",),
    ),
    Mutant(
        removes="the age at which a signed webhook is too old",
        promise="edge",
        file=SIGNATURES,
        old="signature, secret, TOLERANCE_SECONDS)",
        new="signature, secret, None)",
        killers=(f"{TESTS}/test_webhooks.py::test_webhook_that_is_not_freshly_signed_is_refused",),
    ),
    Mutant(
        removes="the event's id as what makes a webhook one",
        promise="I8",
        file="payments/services/webhooks.py",
        old="    event = WebhookEvent(event_id=notice.event_id,",
        new='    event = WebhookEvent(event_id=f"{notice.event_id}-{WebhookEvent.objects.count()}",',
        killers=("tests/security/test_webhooks.py::test_a_replay_within_the_tolerance_is_kept_once",),
    ),
    Mutant(
        removes="the report of money taken after its payment was closed",
        promise="I6",
        file="payments/services/resolving.py",
        old='    if closed_before and intent.status != "canceled":\n',
        new="    if False:\n",
        killers=(f"{TESTS}/test_reconciliation.py::test_money_taken_after_its_payment_was_closed_is_given_back",),
    ),
    Mutant(
        removes="the repair of what reconciliation finds different",
        promise="I11",
        file="payments/services/reconcile.py",
        old="        if differs(payment, intent):\n            _repair(run, payment, intent)\n",
        new="",
        killers=(f"{TESTS}/test_reconciliation.py::test_capture_that_was_never_recorded_is_found_and_repaired",),
    ),
    Mutant(
        removes="the agreement of the payments' table with the checked model",
        promise="I9",
        file="payments/models.py",
        old="            PaymentStatus.VOIDED: (),\n",
        new="            PaymentStatus.VOIDED: {PaymentStatus.AUTHORIZED},\n",
        killers=("tests/chaos/model/test_tables.py::test_payments_move_as_the_model_does",),
    ),
)
