"""The business's own figures about payments."""

from __future__ import annotations

from prometheus_client import Counter

from payments.rules import RefusedFor

REFUSED_REQUESTS = Counter(
    "shop_payment_requests_refused", "Requests that the card provider did not carry out, by whose fault it is", ["kind"]
)

# Create the series at start-up: an increase from nothing is not seen.
for _kind in (RefusedFor.AMOUNT, RefusedFor.METHOD, RefusedFor.REQUEST):
    REFUSED_REQUESTS.labels(_kind)
