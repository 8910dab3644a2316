"""Stripe's words and the shop's: of intents, refunds, disputes, webhooks and refusals."""

from __future__ import annotations

from collections.abc import Mapping

from payments.gateways.provider import Obstacle, ProviderRefused
from payments.models import DisputeStatus, RefundStatus
from payments.rules import AMOUNT_CODES, IntentStatus, NoticeKind, RefusedFor

# https://docs.stripe.com/payments/paymentintents/lifecycle
_INTENTS: Mapping[str, IntentStatus] = {
    "requires_confirmation": IntentStatus.UNCONFIRMED,
    "requires_action": IntentStatus.REQUIRES_ACTION,
    "requires_capture": IntentStatus.AUTHORIZED,
    "succeeded": IntentStatus.CAPTURED,
    "canceled": IntentStatus.CANCELED,
}
# `canceled` is a pending refund that was called back.
REFUNDS: Mapping[str, RefundStatus] = {
    "pending": RefundStatus.PENDING,
    "requires_action": RefundStatus.PENDING,
    "succeeded": RefundStatus.SUCCEEDED,
    "failed": RefundStatus.FAILED,
    "canceled": RefundStatus.FAILED,
}
# https://docs.stripe.com/disputes: Stripe's words in capitals are ours.
DISPUTES: Mapping[str, DisputeStatus] = {status.lower(): status for status in DisputeStatus}
# The webhooks that the shop acts on: no others need be sent.
NOTICES: Mapping[str, NoticeKind] = {
    "payment_intent.requires_action": NoticeKind.ACTION_REQUIRED,
    "payment_intent.payment_failed": NoticeKind.DECLINED,
    "payment_intent.amount_capturable_updated": NoticeKind.AUTHORIZED,
    "payment_intent.succeeded": NoticeKind.CAPTURED,
    "payment_intent.canceled": NoticeKind.CANCELED,
    "charge.refunded": NoticeKind.REFUND,
    "charge.refund.updated": NoticeKind.REFUND,
    "refund.created": NoticeKind.REFUND,
    "refund.updated": NoticeKind.REFUND,
    "refund.failed": NoticeKind.REFUND,
    "charge.dispute.created": NoticeKind.DISPUTE,
    "charge.dispute.updated": NoticeKind.DISPUTE,
    "charge.dispute.closed": NoticeKind.DISPUTE,
    "charge.dispute.funds_withdrawn": NoticeKind.DISPUTE,
    "charge.dispute.funds_reinstated": NoticeKind.DISPUTE,
}

# https://docs.stripe.com/declines/codes: those that suspect fraud, of which Stripe says not to tell the customer. Whoever
# brought such a card is not asked for another one.
SUSPICIONS = frozenset(
    {
        "fraudulent",
        "lost_card",
        "merchant_blacklist",
        "pickup_card",
        "restricted_card",
        "security_violation",
        "stolen_card",
    }
)
BANK_REFUSALS = frozenset({"payment_method_provider_decline", "payment_method_customer_decline"})
METHOD_REFUSALS = frozenset(
    {"payment_method_used", "payment_method_unexpected_state", "payment_method_invalid_parameter", "token_already_used"}
)
_BY_PARAM = {"amount": RefusedFor.AMOUNT, "currency": RefusedFor.AMOUNT, "payment_method": RefusedFor.METHOD}
_OBSTACLES = {
    "resource_missing": Obstacle.NOTHING_THERE,
    "idempotency_error": Obstacle.OTHER_CALL,
    "payment_intent_unexpected_state": Obstacle.OTHER_CALL,
    "charge_disputed": Obstacle.DISPUTE,
}


def intent_status(word: str, *, attempt_failed: bool) -> IntentStatus:
    """Return how an intent stands. `attempt_failed`: it carries an error; without one it was never confirmed."""
    if word == "requires_payment_method":
        return IntentStatus.DECLINED if attempt_failed else IntentStatus.WITHOUT_METHOD
    return _INTENTS.get(word, IntentStatus.UNDECIDED)


def refused_for(code: str, param: str) -> RefusedFor:
    """Return whose fault a refused request is, by Stripe's code and the parameter that it names."""
    if code in AMOUNT_CODES:
        return RefusedFor.AMOUNT
    if code in BANK_REFUSALS:
        return RefusedFor.BANK
    return RefusedFor.METHOD if code in METHOD_REFUSALS else _BY_PARAM.get(param, RefusedFor.REQUEST)


def refusal(detail: str, *, operation: str, code: str, param: str = "") -> ProviderRefused:
    """Return Stripe's refusal of a request in the shop's words."""
    return ProviderRefused(
        detail,
        operation=operation,
        provider_code=code,
        refused_for=refused_for(code, param),
        obstacle=_OBSTACLES.get(code),
    )
