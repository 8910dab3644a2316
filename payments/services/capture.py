"""Capture: take the held amount, all of it, once."""

from __future__ import annotations

from uuid import UUID

from payments.gateways import PaymentUnknown, ProviderRefused, provider
from payments.models import CAPTURABLE, PAID, UNANSWERED, Payment, PaymentStatus
from payments.queries import PaymentState, to_state
from payments.rules import IntentStatus
from payments.services.recording import are_keys_expired, record_intent, record_unanswered, renew_keys
from shop import clock, transactions
from shop.errors import Refusal


class AuthorizationGone(Refusal):
    """The amount is no longer held: the authorization expired or was canceled. Nothing was taken."""

    code = "authorization_gone"
    title = "The card's authorization is gone"
    fact_types = {"order_id": UUID}


class PaymentNotAuthorized(Refusal):
    """There is nothing to capture: the amount is not held."""

    code = "payment_not_authorized"
    title = "The payment is not authorized"
    fact_types = {"order_id": UUID, "status": str}


def capture_payment(*, order_id: UUID, seen: PaymentState | None = None) -> PaymentState:
    """Take the amount that is held; one commit. A payment that was captured before is returned as it stands.

    `seen`: what authorize_payment has just returned to this same walk; nothing is read or asked again then. It may be out
    of date: the compare-and-set and the provider decide. See Note [AUTHORIZED is passed through].
    Raises: AuthorizationGone (the payment is then VOIDED), PaymentNotAuthorized, PaymentUnknown (until the provider was
    asked), PaymentProviderUnavailable, ProviderMismatch.
    """
    transactions.forbid()
    payment = _as_seen(seen) if seen is not None and seen.order_id == order_id else None
    payment = payment or _ask_if_unanswered(order_id)
    if payment.status == PaymentStatus.AUTHORIZED:
        payment = _capture(payment)
    if payment.status == PaymentStatus.VOIDED:
        raise AuthorizationGone(f"the payment of order {order_id} is voided: {payment.void_reason}", order_id=order_id)
    if payment.status in CAPTURABLE:
        raise PaymentUnknown("the provider has not captured yet", operation="capture", order_id=order_id)
    if payment.status not in PAID:
        raise PaymentNotAuthorized(
            f"the payment of order {order_id} is {payment.status}", order_id=order_id, status=str(payment.status)
        )
    return to_state(payment)


def _as_seen(seen: PaymentState) -> Payment | None:
    """Return the row as authorize_payment left it, None where its state says nothing about a held amount."""
    if seen.status != PaymentStatus.AUTHORIZED:
        return None
    return Payment(
        order_id=seen.order_id,
        status=seen.status,
        version=seen.version,
        amount_minor=seen.amount.minor,
        currency=seen.amount.currency,
        intent_id=seen.intent_id,
        attempt=seen.attempt,
        attempt_began_at=clock.now(),
    )


def _ask_if_unanswered(order_id: UUID) -> Payment:
    """Return the row; where its outcome was never recorded, as the provider tells it. Raises: PaymentNotAuthorized."""
    payment = Payment.objects.filter(pk=order_id).first()
    if payment is None:
        raise PaymentNotAuthorized(f"order {order_id} has no payment", order_id=order_id, status="")
    if payment.status not in UNANSWERED:
        return payment
    return record_intent(payment, provider().retrieve_intent(intent_id=payment.intent_id or ""), answered=True)


def _capture(payment: Payment) -> Payment:
    intent_id = payment.intent_id or ""
    if are_keys_expired(payment):
        payment = record_intent(payment, provider().retrieve_intent(intent_id=intent_id), answered=True)
        if payment.status != PaymentStatus.AUTHORIZED:
            return payment
        payment = renew_keys(payment)
    try:
        intent = provider().capture_intent(intent_id=intent_id, key=payment.key("capture"))
    except ProviderRefused:
        # Captured already, or the authorization is gone: how it stands now decides.
        intent = provider().retrieve_intent(intent_id=intent_id)
        if intent.status == IntentStatus.AUTHORIZED:
            payment = renew_keys(payment)  # the old key would only repeat the refusal
    except PaymentUnknown as error:
        record_unanswered(payment, error)
        if not error.key_is_spent:
            raise
        intent = provider().retrieve_intent(intent_id=intent_id)  # that request is over: how it stands now decides
    return record_intent(payment, intent, void_reason="authorization_gone", answered=True)
