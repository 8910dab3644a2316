"""The errors Stripe answers with: one exception carrying status and body, and a constructor for each reason."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


class StripeError(Exception):
    """An answer that is not a success.

    `saved`: the answer is kept under the idempotency key (execution had begun). `keeps_effects`: what was written
    before it was raised is committed, as a declined attempt is.
    """

    def __init__(
        self,
        *,
        status: int,
        kind: str,
        message: str,
        code: str | None = None,
        param: str | None = None,
        saved: bool = True,
        keeps_effects: bool = False,
        should_retry: bool | None = None,
        extra: Json | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.saved = saved
        self.keeps_effects = keeps_effects
        self.should_retry = should_retry
        self.error: Json = {"type": kind, "message": message}
        if code:
            self.error["code"] = code
            self.error["doc_url"] = "https://stripe.com/docs/error-codes/" + code.replace("_", "-")
        if param:
            self.error["param"] = param
        self.error.update(extra or {})

    def body(self, *, request_id: str) -> Json:
        """Give the JSON answer."""
        log = f"https://dashboard.stripe.com/test/logs/{request_id}"
        return {"error": {**self.error, "request_log_url": log}}


def invalid(
    *, message: str, code: str | None = None, param: str | None = None, saved: bool = True, extra: Json | None = None
) -> StripeError:
    """Refuse a request that cannot be carried out."""
    return StripeError(
        status=400, kind="invalid_request_error", message=message, code=code, param=param, saved=saved, extra=extra
    )


def invalid_parameter(*, message: str, param: str, code: str | None = None) -> StripeError:
    """Refuse a parameter before anything is executed; such an answer is not kept under the idempotency key."""
    return invalid(message=message, code=code, param=param, saved=False)


def missing_parameter(*, param: str) -> StripeError:
    """Refuse a request that lacks a required parameter."""
    return invalid_parameter(message=f"Missing required param: {param}.", param=param, code="parameter_missing")


def no_such(*, what: str, object_id: str, param: str, status: int = 404) -> StripeError:
    """Say that an id names nothing: 404 where the id is in the address, 400 where it is a parameter."""
    return StripeError(
        status=status,
        kind="invalid_request_error",
        message=f"No such {what}: '{object_id}'",
        code="resource_missing",
        param=param,
    )


def unexpected_state(*, message: str, intent: Json) -> StripeError:
    """Refuse an operation the PaymentIntent's status does not allow; the intent travels in the answer."""
    return invalid(message=message, code="payment_intent_unexpected_state", extra={"payment_intent": intent})


def unauthorized(*, key: str | None) -> StripeError:
    """Refuse a request without the account's key."""
    if not key:
        message = "You did not provide an API key. Set it as Authorization: Bearer YOUR_SECRET_KEY."
    else:
        message = f"Invalid API Key provided: {key[:8]}{'*' * max(len(key) - 12, 4)}{key[-4:]}"
    return StripeError(status=401, kind="invalid_request_error", message=message, saved=False)


def key_in_use(*, key: str) -> StripeError:
    """Refuse a request whose idempotency key another request is using at this moment."""
    return StripeError(
        status=409,
        kind="idempotency_error",
        code="idempotency_key_in_use",
        message=f"There is currently another in-progress request using this Idempotent Key: {key}. Try again later.",
        saved=False,
    )


def key_reused(*, key: str, difference: str) -> StripeError:
    """Refuse an idempotency key that comes back with another request."""
    return StripeError(
        status=400,
        kind="idempotency_error",
        message=(
            f"Keys for idempotent requests can only be used with the same {difference} they were first used with. "
            f"Try using a key other than '{key}' if you meant to execute a different request."
        ),
        saved=False,
    )


def rate_limited() -> StripeError:
    """Refuse a request because there were too many."""
    return StripeError(
        status=429,
        kind="invalid_request_error",
        code="rate_limit",
        message="Request rate limit exceeded.",
        saved=False,
        should_retry=True,
    )


def server_error(*, saved: bool, should_retry: bool | None = None) -> StripeError:
    """Fail as Stripe does when Stripe fails."""
    return StripeError(
        status=500,
        kind="api_error",
        message="An unknown error occurred while processing the request.",
        saved=saved,
        should_retry=should_retry,
    )
