"""Use cases of payments. Each asks the provider outside any transaction and records what it learned in one of its own.

recording.py: the one place that moves a payment by what the provider shows. authorize, capture, void, refund: the
calls of other contexts. webhooks, resolving, reconcile, strays: how lost answers and lost money are found.
"""

from payments.services.authorize import CardDeclined, PaymentClosed, authorize_payment
from payments.services.capture import AuthorizationGone, PaymentNotAuthorized, capture_payment
from payments.services.reconcile import ReconciliationReport, reconcile_payments
from payments.services.refund import (
    RefundDiffers,
    RefundExceedsCapture,
    RefundRefused,
    ask_about_pending_refund,
    refund_payment,
    resume_refund,
    wake_pending_refunds,
)
from payments.services.resolving import refresh_payment
from payments.services.strays import settle_stray
from payments.services.void import void_payment
from payments.services.webhooks import apply_webhook_events, receive_webhook

__all__ = [
    "AuthorizationGone",
    "CardDeclined",
    "PaymentClosed",
    "PaymentNotAuthorized",
    "ReconciliationReport",
    "RefundDiffers",
    "RefundExceedsCapture",
    "RefundRefused",
    "apply_webhook_events",
    "ask_about_pending_refund",
    "authorize_payment",
    "capture_payment",
    "receive_webhook",
    "reconcile_payments",
    "refresh_payment",
    "refund_payment",
    "resume_refund",
    "settle_stray",
    "void_payment",
    "wake_pending_refunds",
]
