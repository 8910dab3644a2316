"""Mutants of payments: money taken twice, taken after the fence, given back twice, or believed of the wrong one."""

from __future__ import annotations

from tests.proof.mutants.mutant import Mutant

POOL_CONNECTIONS = "tests/integration/database/pool/test_connections.py"
POOL_OUTAGES = "tests/integration/database/pool/test_outages.py"
POOL_TURNS = "tests/integration/database/pool/test_turns.py"
AUTHORIZE = "payments/services/authorize.py"
VOID = "payments/services/void.py"
REFUND = "payments/services/refund.py"
RECORD_REFUND = "payments/services/record_refund.py"
STRIPE = "payments/gateways/stripe/adapter.py"
SIGNATURES = "payments/gateways/stripe/webhooks.py"
TESTS = "tests/integration/payments"
RETURNED = "tests/integration/orders/test_returned_refunds.py"
ORDERS = "tests/integration/orders/test_refunds.py"
TRANSPORT_TESTS = "tests/unit/payments/test_stripe_http.py"

MUTANTS = (
    Mutant(
        removes="what is owed once a refund comes back",
        promise="I6",
        file=RECORD_REFUND,
        old="            if returned or not awaited:\n",
        new="            if False:\n",
        killers=(f"{RETURNED}::test_a_part_that_comes_back_is_owed_while_the_order_goes_on",),
    ),
    Mutant(
        removes="the further refund of a voided payment whose refund came back",
        promise="I6",
        file=VOID,
        old=" and not _count_kept(payment)",
        new="",
        killers=(f"{TESTS}/test_capture_and_void.py::test_void_refunds_again_what_the_bank_has_returned",),
    ),
    Mutant(
        removes="the news of a refund in place of a returned one",
        promise="I8",
        file=RECORD_REFUND,
        old="        publish(event, aggregate_id=refund.pk, aggregate_version=refund_version)\n",
        new="",
        killers=(f"{ORDERS}::test_each_refund_in_place_of_a_returned_one_is_told_and_mailed_once",),
    ),
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
        old="    except PaymentUnknown as error:\n        record_unanswered(payment, error)\n        raise\n    if payment.status ==",
        new=(
            "    except PaymentUnknown:\n"
            '        event = PaymentFailed(order_id=payment.order_id, decline_code="timeout")\n'
            "        return _answer(\n"
            "            change(payment, expected=UNANSWERED, event=event)\n"
            "        )\n"
            "    if payment.status =="
        ),
        killers=(f"{TESTS}/test_authorize_unanswered.py::test_timed_out_charge_is_not_treated_as_a_failure",),
    ),
    Mutant(
        removes="the difference between an intent that was declined and one that was never confirmed",
        promise="I11",
        file="payments/gateways/stripe/words.py",
        old="        return IntentStatus.DECLINED if attempt_failed else IntentStatus.WITHOUT_METHOD\n",
        new="        return IntentStatus.DECLINED\n",
        killers=("tests/unit/payments/test_rules.py::test_intent_that_was_never_confirmed_implies_nothing",),
    ),
    Mutant(
        removes="the key under which an intent is created",
        promise="I4",
        file=STRIPE,
        old="to_intent(self._post(INTENTS, wanted, key))",
        new='to_intent(self._client.raw_request("post", INTENTS, **wanted).data)',
        killers=(
            f"{TESTS}/test_authorize_unanswered.py::test_lost_creation_is_repeated_under_its_key_and_makes_one_intent",
        ),
    ),
    Mutant(
        removes="the search for an intent whose key the provider has forgotten",
        promise="I4",
        file=AUTHORIZE,
        old="        if found is not None:\n            return found\n",
        new="",
        killers=(
            f"{TESTS}/test_authorize_unanswered.py::test_creation_older_than_its_key_is_looked_for_before_it_is_repeated",
        ),
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
        old="        transactions.go_outside()\n\n        def answer",
        new="        def answer",
        killers=(f"{TESTS}/test_authorize.py::test_gateway_itself_refuses_to_call_inside_a_transaction",),
    ),
    Mutant(
        removes="the hand-back of connections before the provider is called",
        promise="edge",
        file="shop/transactions.py",
        old="        connection.hand_back()  #",
        new="        continue  #",
        killers=(f"{POOL_CONNECTIONS}::test_the_session_with_its_prepared_statements_survives_in_the_pool",),
    ),
    Mutant(
        removes="the empty hands of a thread that waits for another context's connection",
        promise="edge",
        file="shop/database/base.py",
        old="            if other.alias != self.alias:\n",
        new="            if False:\n",
        killers=(f"{POOL_CONNECTIONS}::test_two_threads_never_wait_for_the_connection_that_the_other_holds",),
    ),
    Mutant(
        removes="the precedence of an order at work over one that begins",
        promise="edge",
        file="shop/database/pool.py",
        old='        if getattr(self.caller, "goes_on", False):\n',
        new="        if False:\n",
        killers=(f"{POOL_TURNS}::test_who_is_in_the_midst_of_work_comes_before_who_begins_and_each_in_order",),
    ),
    Mutant(
        removes="the short backoff of a pool that lost its database",
        promise="edge",
        file="config/databases.py",
        old='        "reconnect_timeout": RECONNECT_SECONDS,\n',
        new="",
        killers=(f"{POOL_OUTAGES}::test_after_an_outage_the_pool_is_back_within_seconds",),
    ),
    Mutant(
        removes="the end of the wait for a database that hangs",
        promise="edge",
        file="shop/database/pool.py",
        old="super().wait(gen, interval, self.answer_seconds)",
        new="super().wait(gen, interval, None)",
        killers=(f"{POOL_OUTAGES}::test_a_database_that_hangs_is_given_up_and_found_again",),
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
        file="payments/models/payment.py",
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
        old="    if insert_first(tombstone, event):\n",
        new="    if True:\n",
        killers=(
            f"{TESTS}/test_capture_and_void.py::test_void_before_any_payment_closes_the_door_to_one_that_comes_late",
        ),
    ),
    Mutant(
        removes="the way back of money that a void finds taken",
        promise="I6",
        file=VOID,
        old="        if (payment.status in CLOSED or payment.lost_minor) and not _count_kept(payment):\n",
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
        new="    except ProviderRefused:\n        from dataclasses import replace\n\n        intent = provider().retrieve_intent(intent_id=intent_id)\n        intent = replace(intent, status=IntentStatus.CAPTURED, captured=intent.amount)\n",
        killers=(f"{TESTS}/test_capture_and_void.py::test_capture_after_the_authorization_expired_voids",),
    ),
    Mutant(
        removes="the question to the provider before a capture whose authorization was never recorded",
        promise="I10",
        file="payments/services/capture.py",
        old="    if payment.status not in UNANSWERED:\n        return payment\n    return record_intent(",
        new="    return payment\n    return record_intent(",
        killers=(f"{TESTS}/test_capture_and_void.py::test_capture_without_a_word_of_the_authorization_asks_first",),
    ),
    Mutant(
        removes="the haste with which a cancellation at the provider is looked at",
        promise="I10",
        file="payments/models/payment.py",
        old="    NoticeKind.CAPTURED: (PaymentStatus.SUBMITTED, PaymentStatus.AUTHORIZED),\n}",
        new="    NoticeKind.CAPTURED: (PaymentStatus.SUBMITTED, PaymentStatus.AUTHORIZED),\n"
        "    NoticeKind.CANCELED: (PaymentStatus.SUBMITTED,),\n}",
        killers=(f"{TESTS}/test_webhooks.py::test_webhook_of_a_cancellation_waits_for_nothing",),
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
        old="        return _send(refund, ask_first=True, awaited=awaited)\n",
        new="        return _send(refund, ask_first=False, awaited=awaited)\n",
        killers=(f"{TESTS}/test_refunds.py::test_refund_without_an_answer_is_taken_up_again_and_made_once",),
    ),
    Mutant(
        removes="the key under which a refund is made",
        promise="I4",
        file=STRIPE,
        old="to_refund(self._post(REFUNDS, wanted, key))",
        new='to_refund(self._client.raw_request("post", REFUNDS, **wanted).data)',
        killers=(
            f"{TESTS}/test_refunds.py::test_refund_that_is_still_on_its_way_is_not_made_again_by_a_second_worker",
        ),
    ),
    Mutant(
        removes="the look at a kept connection before a request is sent on it",
        promise="edge",
        file="shop/kept_alive.py",
        old="IDLE_SECONDS and not _readable(connection):",
        new="IDLE_SECONDS:",
        killers=(f"{TRANSPORT_TESTS}::test_connection_that_the_other_end_closed_is_not_used_again",),
    ),
    Mutant(
        removes="the end of a connection whose answer was not read to its end",
        promise="I11",
        file="shop/kept_alive.py",
        old="            if whole and connection.sock is not None:\n",
        new="            if connection.sock is not None:\n",
        killers=(f"{TRANSPORT_TESTS}::test_what_breaks_into_an_answer_rises_and_its_connection_is_never_used_again",),
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
        old="            event_id=notice.event_id,\n",
        new='            event_id=f"{notice.event_id}-{WebhookEvent.objects.count()}",\n',
        killers=("tests/proof/security/test_webhooks.py::test_a_replay_within_the_tolerance_is_kept_once",),
    ),
    Mutant(
        removes="the report of money taken after its payment was closed",
        promise="I6",
        file="payments/services/resolving.py",
        old="    if closed_before and intent.status != IntentStatus.CANCELED:\n",
        new="    if False:\n",
        killers=(f"{TESTS}/test_reconciliation.py::test_money_taken_after_its_payment_was_closed_is_given_back",),
    ),
    Mutant(
        removes="the repair of what reconciliation finds different",
        promise="I11",
        file="payments/services/reconcile.py",
        old="        if find_difference(booked, intent):\n            _repair(run, intent)\n",
        new="",
        killers=(f"{TESTS}/test_reconciliation.py::test_capture_that_was_never_recorded_is_found_and_repaired",),
    ),
    Mutant(
        removes="the agreement of the payments' table with the checked model",
        promise="I9",
        file="payments/models/payment.py",
        old="            PaymentStatus.VOIDED: (),\n",
        new="            PaymentStatus.VOIDED: {PaymentStatus.AUTHORIZED},\n",
        killers=("tests/proof/model/test_tables.py::test_payments_move_as_the_model_does",),
    ),
    Mutant(
        removes="the difference between a refused request and a declined card",
        promise="edge",
        file="payments/rules.py",
        old="    if not colon:\n",
        new="    if True:\n",
        killers=("tests/unit/payments/test_chargeable.py::test_whose_fault_a_refused_request_is_stands_in_its_code",),
    ),
    Mutant(
        removes="the refusal of a price that can never be charged",
        promise="edge",
        file="inventory/services/products.py",
        old="    payments.check_chargeable(amount=price)\n",
        new="",
        killers=("tests/integration/inventory/test_stock.py::test_a_price_that_can_never_be_charged_is_refused",),
    ),
)
