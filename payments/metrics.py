"""Business figures about payments."""

from __future__ import annotations

from prometheus_client import Counter

from payments import rules
from payments.rules import RefusedFor

REFUSED_REQUESTS = Counter(
    "shop_payment_requests_refused", "Requests that the card provider did not carry out, by whose fault it is", ["kind"]
)

DECLINES = Counter("shop_payment_declines", "Cards that a bank refused, by its code", ["code"])
# The codes that tell card testing from customers without money, and the usual ones. All others are one.
OTHER = "other"
COUNTED = (
    "authentication_required",
    "card_declined",
    "do_not_honor",
    "expired_card",
    "fraudulent",
    "generic_decline",
    "incorrect_cvc",
    "incorrect_number",
    "incorrect_zip",
    "insufficient_funds",
    "invalid_account",
    "invalid_cvc",
    "invalid_expiry_month",
    "invalid_expiry_year",
    "invalid_number",
    "lost_card",
    "pickup_card",
    "processing_error",
    "restricted_card",
    "stolen_card",
    "transaction_not_allowed",
    "try_again_later",
    OTHER,
)

# Create the series at start-up: an increase from nothing is not seen.
for _kind in (RefusedFor.AMOUNT, RefusedFor.METHOD, RefusedFor.REQUEST):
    REFUSED_REQUESTS.labels(_kind)
for _code in COUNTED:
    DECLINES.labels(_code)


def count_refusal(decline_code: str) -> None:
    """Count a payment method that is over by this code, where a bank refused it."""
    if rules.is_declined(decline_code):
        DECLINES.labels(decline_code if decline_code in COUNTED else OTHER).inc()
