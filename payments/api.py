"""The door of payments: what other contexts may call. All arguments by keyword; amounts as Money; never a model.

What takes money or gives it back asks the provider and must be called outside any transaction. Refusals end a saga's
attempt, Faults are tried again: after PaymentUnknown the effect may have happened, after PaymentProviderUnavailable not.
"""

from payments.gateways import PaymentProviderUnavailable, PaymentUnknown
from payments.queries import PaymentState, count_unresolved, get_payment, get_payments, has_refund, iter_payments
from payments.rules import UnchargeableAmount
from payments.services import (
    AuthorizationGone,
    CardDeclined,
    PaymentClosed,
    PaymentNotAuthorized,
    ReconciliationReport,
    RefundDiffers,
    RefundExceedsCapture,
    RefundRefused,
    authorize_payment,
    capture_payment,
    reconcile_payments,
    refresh_payment,
    refund_payment,
    void_payment,
)

__all__ = [
    "AuthorizationGone",
    "CardDeclined",
    "PaymentClosed",
    "PaymentNotAuthorized",
    "PaymentProviderUnavailable",
    "PaymentState",
    "PaymentUnknown",
    "ReconciliationReport",
    "RefundDiffers",
    "RefundExceedsCapture",
    "RefundRefused",
    "UnchargeableAmount",
    "authorize_payment",
    "capture_payment",
    "count_unresolved",
    "get_payment",
    "get_payments",
    "has_refund",
    "iter_payments",
    "reconcile_payments",
    "refresh_payment",
    "refund_payment",
    "void_payment",
]
