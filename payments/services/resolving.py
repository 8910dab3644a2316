"""Asking the provider how a payment stands, when its answer was lost or its customer is elsewhere."""

from __future__ import annotations

from uuid import UUID

from payments.gateways import provider
from payments.models import Payment, PaymentStatus, StrayReason
from payments.queries import PaymentState, to_state
from payments.rules import IntentStatus
from payments.services.adopt_refunds import sync_refunds
from payments.services.recording import record_intent, to_state_with_challenge
from payments.services.strays import report_stray
from shop import transactions


def refresh_payment(*, order_id: UUID) -> PaymentState | None:
    """Ask the provider how the order's payment stands, record it and return it; None where there is no payment.

    Raises: PaymentUnknown, PaymentProviderUnavailable, ProviderMismatch.
    """
    transactions.forbid()
    payment = Payment.objects.filter(pk=order_id).first()
    if payment is None:
        return None
    if payment.intent_id is None:
        return to_state(payment)
    # A payment that is closed only while the provider answers may make its answer look late.
    closed_before = payment.status == PaymentStatus.VOIDED
    intent = provider().retrieve_intent(intent_id=payment.intent_id)
    payment = record_intent(payment, intent)
    if closed_before and intent.status != IntentStatus.CANCELED:
        report_stray(intent=intent, reason=StrayReason.LATE_CAPTURE)
    if intent.refunded.minor != payment.refunded_minor:
        payment = sync_refunds(payment)
    return to_state_with_challenge(payment, intent)
