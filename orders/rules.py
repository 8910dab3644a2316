"""What orders decides, as plain Python."""

from __future__ import annotations

import uuid
from datetime import timedelta
from enum import StrEnum

from shop.ids import derived_id


class CancelReason(StrEnum):
    """Why an order was canceled: stable codes, told to the customer in words by notifications."""

    OUT_OF_STOCK = "out_of_stock"
    CARD_DECLINED = "card_declined"
    CUSTOMER_REQUEST = "customer_request"
    STAFF_REQUEST = "staff_request"
    PAYMENT_ABANDONED = "payment_abandoned"
    RESERVATION_EXPIRED = "reservation_expired"
    AUTHORIZATION_GONE = "authorization_gone"
    PAYMENT_UNAVAILABLE = "payment_unavailable"
    TOO_MUCH_HELD = "too_much_held_unpaid"
    REFUSED = "refused"


# A code that customers type, or that names a fee.
CODE_LENGTH = 40
CODE_PATTERN = r"^[A-Z0-9][A-Z0-9_-]{0,39}$"


# Of the code of a way to ship: those of a rate service may be longer than the shop's own.
SHIPPING_OPTION_LENGTH = 80

# What the contexts' refusals mean for the order. A code that is missing here cancels it as "refused".
REASON_OF_REFUSAL = {
    "insufficient_stock": CancelReason.OUT_OF_STOCK,
    "reservation_closed": CancelReason.RESERVATION_EXPIRED,
    "card_declined": CancelReason.CARD_DECLINED,
    "authorization_gone": CancelReason.AUTHORIZATION_GONE,
    "payment_closed": CancelReason.AUTHORIZATION_GONE,
    "payment_deadline_passed": CancelReason.PAYMENT_ABANDONED,
    "payment_unavailable": CancelReason.PAYMENT_UNAVAILABLE,
    "too_much_held_unpaid": CancelReason.TOO_MUCH_HELD,
}


def cancel_reason(refusal_code: str) -> CancelReason:
    """Return the reason to tell the customer for a refusal's code."""
    return REASON_OF_REFUSAL.get(refusal_code, CancelReason.REFUSED)


# How often what is left is refunded once more, where a part that staff were returning meanwhile came to nothing. What was
# refused for a dispute is not counted, and has ids to spare.
FULL_REFUNDS = 10
FULL_REFUND_IDS = 2 * FULL_REFUNDS


def id_of_full_refund(order_id: uuid.UUID, further: int = 0) -> uuid.UUID:
    """Return the id of the refund that cancels a confirmed order, so that it is made once and told apart from others.

    The first returns all that is left, which nearly always is the whole; each `further` one what was left after it.
    """
    return derived_id("order refund", order_id, *([further] if further else []))


def ids_of_full_refunds(order_id: uuid.UUID) -> list[uuid.UUID]:
    """Return the ids of all refunds that may cancel a confirmed order."""
    return [id_of_full_refund(order_id, further) for further in range(FULL_REFUND_IDS)]


def is_full_refund(refund_id: uuid.UUID, order_id: uuid.UUID) -> bool:
    """Return whether a refund is one of those that cancel a confirmed order."""
    return refund_id in ids_of_full_refunds(order_id)


# The longest that a saga rests which waits for a payment method; its order's deadline may come sooner.
LONGEST_REST_SECONDS = 3600


# Most customers who authenticate at all do so within this time of placing the order.
SOON = timedelta(minutes=2)


# An order that is walked for so long without one walk coming to its end is going round in circles: a worker that dies once
# costs one lease.
LOOPING = timedelta(minutes=1)


def seconds_to_next_look(age: timedelta) -> float:
    """Return the seconds to wait before polling the payment of an order of this age that waits for its customer.

    The webhook wakes the saga at once; a lost one costs the customer this long at most.
    """
    return 10.0 if age < SOON else 30.0
