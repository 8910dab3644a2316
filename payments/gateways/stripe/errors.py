"""What an error of Stripe's SDK tells, in the port's errors."""

from __future__ import annotations

import stripe
import structlog

from payments.gateways.provider import CardRefused, PaymentProviderUnavailable, PaymentUnknown
from payments.gateways.stripe import words
from payments.gateways.stripe.snapshots import get_field, to_intent
from shop.errors import ShopError

log = structlog.get_logger(__name__)

SERVER_ERROR = 500
# The operations that ask the bank for the card's money; only these can find the card refused.
CHARGING = ("create", "confirm")
RATE_LIMIT_SECONDS = 2
# Stripe tells of a token that a payment without a customer has used up by its text alone.
WAS_USED = "PaymentMethod was previously used"

# Note [What a Stripe error tells]
#
# https://docs.stripe.com/error-low-level and the SDK's own mapping of HTTP statuses:
#   CardError (402)              of create and confirm: the attempt failed, the intent lives; of others: not carried out
#   InvalidRequestError          not carried out; where the intent's state forbids it, ask how it stands
#   RateLimitError (429)         not carried out; the same key may be sent again later
#   AuthenticationError, PermissionError  not carried out; our key is wrong, a human is needed
#   APIError 409                 the key is in use at this very moment: unknown
#   APIError 5xx                 unknown: repeat the key. Only a 500 that comes back as `Idempotent-Replayed` is final: the
#                                key repeats it for ever. A new key before that could carry the same thing out twice.
#   APIConnectionError           unknown; the request may even arrive later
# Only the last three and the rejected keys count for the breaker: a decline shows that Stripe works.


def counts_for_breaker(error: stripe.StripeError) -> bool:
    """Return whether the error shows a provider in trouble; contention for a key and rate limits do not."""
    return error.http_status is None or error.http_status >= SERVER_ERROR or error.http_status in (401, 403)


def translate_error(error: stripe.StripeError, operation: str) -> ShopError:
    """Return the port's error for one of the SDK's. See Note [What a Stripe error tells]."""
    status = error.http_status
    detail = f"{operation}: {type(error).__name__} {status or ''}".strip()
    if isinstance(error, stripe.CardError) and operation in CHARGING:
        told = error.error
        code = get_field(told, "decline_code") or error.code or "card_declined"
        intent = get_field(told, "payment_intent")
        return CardRefused(decline_code=str(code), intent=to_intent(intent) if intent else None)
    if isinstance(error, stripe.RateLimitError):
        return PaymentProviderUnavailable(detail, operation=operation, retry_after_seconds=RATE_LIMIT_SECONDS)
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        log.error("payment.provider_rejects_our_key", operation=operation, http_status=status)
        return PaymentProviderUnavailable(detail, operation=operation)
    if isinstance(error, stripe.InvalidRequestError | stripe.IdempotencyError | stripe.CardError):
        code = error.code or get_field(error.error, "type") or "invalid_request"
        if not error.code and WAS_USED in str(error.user_message):
            code = "payment_method_used"
        return words.refusal(
            f"{operation}: {error.user_message}",
            operation=operation,
            code=str(code),
            param=str(getattr(error, "param", None) or ""),
        )
    spent = status == SERVER_ERROR and _is_replayed(error)
    return PaymentUnknown(detail, operation=operation, key_is_spent=spent, http_status=status)


def _is_replayed(error: stripe.StripeError) -> bool:
    """Return whether Stripe gave this answer before, under the same key."""
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    return headers.get("idempotent-replayed") == "true"
