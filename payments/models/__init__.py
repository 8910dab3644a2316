"""Tables of payments, with every status beside the moves it allows."""

from payments.models.bus import (
    History,
    Outbox,
    Watermark,
)
from payments.models.dispute import (
    APPEALS,
    CHARGEBACKS,
    INQUIRIES,
    OPEN_DISPUTES,
    UNANSWERED_DISPUTES,
    Dispute,
    DisputeStatus,
    combined_status,
    count_lost,
    first_status,
)
from payments.models.payment import (
    CAPTURABLE,
    CLOSED,
    KNOWN_IN,
    MOVES,
    NO_CURRENCY,
    OPEN,
    PAID,
    REPLACEABLE,
    UNANSWERED,
    UNDECIDED,
    UNDER_WAY_IN,
    UNSAID,
    WAITING,
    Payment,
    PaymentStatus,
)
from payments.models.refund import (
    GIVEN_BACK,
    NOT_FAILED,
    REFUND_UNDER_WAY,
    Refund,
    RefundStatus,
)
from payments.models.stray import (
    StrayIntent,
    StrayReason,
)
from payments.models.webhook import (
    WebhookEvent,
)

__all__ = [
    "APPEALS",
    "CAPTURABLE",
    "CHARGEBACKS",
    "CLOSED",
    "GIVEN_BACK",
    "INQUIRIES",
    "KNOWN_IN",
    "MOVES",
    "NOT_FAILED",
    "NO_CURRENCY",
    "OPEN",
    "OPEN_DISPUTES",
    "PAID",
    "REFUND_UNDER_WAY",
    "REPLACEABLE",
    "UNANSWERED",
    "UNANSWERED_DISPUTES",
    "UNDECIDED",
    "UNDER_WAY_IN",
    "UNSAID",
    "WAITING",
    "Dispute",
    "DisputeStatus",
    "History",
    "Outbox",
    "Payment",
    "PaymentStatus",
    "Refund",
    "RefundStatus",
    "StrayIntent",
    "StrayReason",
    "Watermark",
    "WebhookEvent",
    "combined_status",
    "count_lost",
    "first_status",
]
