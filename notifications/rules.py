"""What is said to customers: subjects, the reasons of a cancellation in words, and how long sending is tried."""

from __future__ import annotations

import re

MAX_ATTEMPTS = 16  # with the backoff below about five hours
BACKOFF_CAP_SECONDS = 3600
# What the reason of an email begins with that was withheld: the audit asks for it.
RECIPIENT_LIMIT = "recipient_limit"
# Of an order that costs nothing, whatever the email tells.
RECIPIENT_LIMIT_FREE = "recipient_limit_free"

SUBJECTS = {
    "order_confirmed": "Your order {number} is confirmed",
    "order_canceled": "Your order {number} was canceled",
    "order_shipped": "Your order {number} is on its way",
    "order_refunded": "Your refund for order {number}",
    "refund_issued": "Your order {number}: a refund is on its way",
    "refund_returned": "Your order {number}: your bank sent our refund back",
    "order_link": "The link to your order {number}",
}
# A link that comes later than this helps nobody; the customer has asked again.
LINK_LATEST_SECONDS = 3600

REASONS = {
    "out_of_stock": "We are sorry: something in your order sold out before we could set it aside for you.",
    "card_declined": "Your bank declined the payment. You are welcome to order again with another card.",
    "customer_request": "You asked us to cancel it.",
    "staff_request": "Our team canceled it. If this surprises you, reply to this email and we will explain.",
    "payment_abandoned": "The payment was not completed in time, so we released what we had set aside for you.",
    "payment_expired": "The payment was not completed in time, so we released what we had set aside for you.",
    "reservation_expired": "The time for which we could set your items aside ran out before the payment was complete.",
    "authorization_gone": "Your bank withdrew its approval of the payment before we could confirm the order.",
    "payment_unavailable": "Our payment provider could not be reached for too long. We are sorry; please try again later.",
    "too_much_held_unpaid": "Your bank asked you to approve the payment, and we cannot set so much aside until that is done. "
    "Nothing was charged. You are welcome to order less, or to pay or cancel your other open orders and order again.",
    "refused": "We could not accept the order as it was placed.",
}
OTHER_REASON = "We could not complete it. We are sorry for the trouble; reply to this email if you have questions."

_ADDRESS = re.compile(r"[^\s@<>\"'(),:;]+@[^\s@<>\"'(),:;]+")


def subject(kind: str, *, number: str) -> str:
    """Return the subject line of a kind of mail: one line, whatever the number holds."""
    return " ".join(SUBJECTS[kind].format(number=number).split())


def reason_in_words(code: str) -> str:
    """Return the sentence that tells a customer why the order was canceled; codes of later releases get a kind one."""
    return REASONS.get(code, OTHER_REASON)


def without_addresses(text: str) -> str:
    """Return `text` with every email address masked: mail servers like to repeat them in their errors."""
    return _ADDRESS.sub("<address>", text)
