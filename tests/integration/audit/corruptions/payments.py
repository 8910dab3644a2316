"""What is planted in payments, disputes included."""

from __future__ import annotations

from tests.integration.audit.corruptions.corruption import (
    AWAITING,
    CANCELED,
    CONFIRMED,
    DELIVERED,
    IN_PART,
    REFUNDED,
    SHIPPED,
    of,
)

PAYMENT = "UPDATE payments_payment SET {} WHERE order_id = '{{id}}'"
REFUND = "UPDATE payments_refund SET {} WHERE payment_id = '{{id}}'"


PAYMENTS = of(
    "payments",
    (
        "confirmed means captured and committed, and back",
        CONFIRMED,
        "DELETE FROM payments_payment WHERE order_id = '{id}'",
    ),
    (
        "one capture of the order's total, refunds within it",
        CONFIRMED,
        PAYMENT.format("amount_minor = amount_minor + 100, captured_minor = captured_minor + 100"),
    ),
    (
        "one capture of the order's total, refunds within it",
        IN_PART,
        "ALTER TABLE payments_payment DROP CONSTRAINT payments_refunds_within_capture,"
        " DROP CONSTRAINT payments_settled_within_capture; " + PAYMENT.format("refunded_minor = captured_minor + 1"),
    ),
    (
        "canceled means that no money was kept",
        CANCELED,
        PAYMENT.format("status = 'CAPTURED', captured_minor = amount_minor"),
    ),
    ("a payment's sums are those of its refunds", IN_PART, PAYMENT.format("refunded_minor = refunded_minor + 1")),
    ("a payment's sums are those of its refunds", IN_PART, REFUND.format("amount_minor = amount_minor + 1")),
    ("a payment's sums are those of its refunds", IN_PART, "DELETE FROM payments_refund WHERE payment_id = '{id}'"),
    ("a payment's sums are those of its refunds", DELIVERED, PAYMENT.format("owed_minor = 10")),
    (
        "one capture, of the order's total; refunds within it",
        IN_PART,
        PAYMENT.format("covered_minor = 1"),
    ),
    ("one capture, of the order's total; refunds within it", IN_PART, PAYMENT.format("status = 'CAPTURED'")),
    ("one capture, of the order's total; refunds within it", CONFIRMED, PAYMENT.format("captured_minor = 0")),
    ("a payment holds what its status needs", CONFIRMED, PAYMENT.format("intent_id = NULL")),
    ("a payment holds what its status needs", CANCELED, PAYMENT.format("void_reason = ''")),
    (
        "a payment holds what its status needs",
        CONFIRMED,
        PAYMENT.format("""refused = '[["a", "lost"], ["b", "lost"]]'"""),
    ),
    ("a payment holds what its status needs", AWAITING, PAYMENT.format("changed_at = now() + interval '1 year'")),
    ("a refund holds what its status needs", IN_PART, REFUND.format("provider_refund_id = NULL")),
    ("each payment moved along its table only", SHIPPED, PAYMENT.format("status = 'PARTIALLY_REFUNDED'")),
    ("each move of each payment has its event", SHIPPED, PAYMENT.format("version = version + 1")),
    ("each move of each refund has its event", IN_PART, REFUND.format("version = version + 1")),
    ("each refund moved along its table only", REFUNDED, REFUND.format("status = 'PENDING'")),
    (
        "no payment and no refund is left without an outcome",
        AWAITING,
        PAYMENT.format("status = 'UNKNOWN', changed_at = now() - interval '2 hours'"),
    ),
    (
        "no payment and no refund is left without an outcome",
        IN_PART,
        REFUND.format("status = 'REQUESTED', due_at = now()"),
    ),
    ("whatever has no outcome is asked about", AWAITING, PAYMENT.format("status = 'UNKNOWN', due_at = NULL")),
    ("whatever has no outcome is asked about", AWAITING, PAYMENT.format("due_at = now() + interval '1 year'")),
    ("whatever has no outcome is asked about", IN_PART, REFUND.format("status = 'PENDING', due_at = NULL")),
    (
        "whatever has no outcome is asked about",
        CONFIRMED,
        (
            "INSERT INTO payments_strayintent (intent_id, order_id, reason, amount_minor, currency, outcome, attempts, last_error)"
            " VALUES ('pi_stray', '{id}', 'SECOND_INTENT', 1, 'EUR', '', 0, '')"
        ),
    ),
    (
        "every webhook is applied",
        CONFIRMED,
        (
            "INSERT INTO payments_webhookevent (event_id, type, intent_id, outcome, attempts, last_error)"
            " VALUES ('evt_lost', 'payment_intent.succeeded', '{intent}', '', 0, '')"
        ),
    ),
)


DISPUTE = (
    "INSERT INTO payments_dispute (dispute_id, provider_dispute_id, payment_id, status, reason, amount_minor, currency,"
    " withdrawn_minor, fee_minor, account_currency, opened_at, answers, version, attempts, last_error, due_at)"
    " VALUES ('{{id}}', 'dp_planted', '{{id}}', '{}', '', 100, 'EUR', 0, 0, 'EUR', now(), 0, 1, 0, '', now())"
)
DISPUTES = of(
    "payments",
    ("a payment says what its disputes stop and took", DELIVERED, PAYMENT.format("lost_minor = 1")),
    ("each move of each dispute has its event", CONFIRMED, DISPUTE.format("NEEDS_RESPONSE")),
    (
        "each dispute moved along its table only",
        CONFIRMED,
        "ALTER TABLE payments_dispute DROP CONSTRAINT payments_dispute_status_known; " + DISPUTE.format("FORGOTTEN"),
    ),
    (
        "no payment and no refund is left without an outcome",
        CONFIRMED,
        DISPUTE.format("NEEDS_RESPONSE") + "; UPDATE payments_dispute SET due_at = NULL",
    ),
)
