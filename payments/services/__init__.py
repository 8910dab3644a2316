"""Use cases of payments. Each asks the provider outside any transaction and records what it learned in one of its own.

recording.py: the one place that moves a payment by what the provider shows. authorize, capture, void, refund: the
calls of other contexts. webhooks, resolving, listed, reconcile, strays: how lost answers and lost money are found.
"""

from payments.services.authorize import (
    CardDeclined,
    PaymentClosed,
    PaymentMethodRefused,
    PaymentRefusedByProvider,
    authorize_payment,
    explain_decline,
)
from payments.services.capture import AuthorizationGone, PaymentNotAuthorized, capture_payment
from payments.services.disputes import PaymentDisputed, ask_about_dispute, sync_disputes
from payments.services.owed import NothingOwed, note_forgotten, owe_what_comes_back, settle_owed
from payments.services.reconcile import ReconciliationReport, reconcile_payments, wake_pending_refunds
from payments.services.refund import (
    RefundDiffers,
    RefundExceedsCapture,
    RefundInOtherCurrency,
    RefundRefused,
    ask_about_pending_refund,
    refund_payment,
    resume_refund,
)
from payments.services.resolving import refresh_payment
from payments.services.strays import settle_stray
from payments.services.void import void_payment
from payments.services.webhooks import apply_notices, close_notices, postpone_notices, receive_webhook

__all__ = [
    "AuthorizationGone",
    "CardDeclined",
    "NothingOwed",
    "PaymentClosed",
    "PaymentDisputed",
    "PaymentMethodRefused",
    "PaymentNotAuthorized",
    "PaymentRefusedByProvider",
    "ReconciliationReport",
    "RefundDiffers",
    "RefundExceedsCapture",
    "RefundInOtherCurrency",
    "RefundRefused",
    "apply_notices",
    "ask_about_dispute",
    "ask_about_pending_refund",
    "authorize_payment",
    "capture_payment",
    "close_notices",
    "explain_decline",
    "note_forgotten",
    "owe_what_comes_back",
    "postpone_notices",
    "receive_webhook",
    "reconcile_payments",
    "refresh_payment",
    "refund_payment",
    "resume_refund",
    "settle_owed",
    "settle_stray",
    "sync_disputes",
    "void_payment",
    "wake_pending_refunds",
]
