"""What our POSTs send and make of an answer, held against the SDK's own raw_request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
import stripe

from payments.gateways.stripe_calls import PostCalls

WANTED: list[Mapping[str, Any]] = [
    {},
    {"use_stripe_sdk": True},
    {"cancellation_reason": "abandoned"},
    {
        "amount": 1250,
        "currency": "eur",
        "payment_method": "pm_1 ü&=[]",
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        "metadata": {"installation": "shop", "order_id": "01a2"},
        "expand": ["latest_charge", "customer"],
    },
]
# What the SDK measures of the call before; nobody here asks for it.
TELEMETRY = "X-Stripe-Client-Telemetry"


class Recorder(stripe.HTTPClient):
    """Answers every request with the same, and keeps what was sent."""

    name = "recorder"

    def __init__(self, status: int = 200, body: Any = None, **headers: str) -> None:
        super().__init__()
        self.sent: list[tuple[Any, ...]] = []
        self._answer = json.dumps({} if body is None else body).encode(), status, {"Request-Id": "req_1", **headers}

    def request(self, method: str, url: str, headers: Any, post_data: Any = None, *, _usage: Any = None) -> Any:
        """Keep a request."""
        kept = {name: value for name, value in headers.items() if name != TELEMETRY}
        self.sent.append((method, url, kept, post_data))
        return self._answer


def client(transport: Recorder, **options: Any) -> stripe.StripeClient:
    return stripe.StripeClient("sk_test_x", http_client=transport, max_network_retries=0, **options)


@pytest.mark.parametrize("wanted", WANTED)
@pytest.mark.parametrize("options", [{}, {"base_addresses": {"api": "http://127.0.0.1:1"}}, {"stripe_version": "x"}])
def test_a_post_is_sent_as_the_sdk_sends_it(wanted: Mapping[str, Any], options: dict[str, Any]):
    transport = Recorder()
    sdk = client(transport, **options)
    posts = PostCalls(sdk)

    posts.send("/v1/payment_intents", wanted, key="key-1")
    sdk.raw_request("post", "/v1/payment_intents", idempotency_key="key-1", **wanted)
    posts.send("/v1/payment_intents", wanted, key="key-2")

    ours, theirs, again = transport.sent
    assert ours == theirs
    assert again[2] == ours[2] | {"Idempotency-Key": "key-2"}


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, {"type": "invalid_request_error", "code": "payment_intent_unexpected_state", "message": "no"}),
        (400, {"type": "idempotency_error", "message": "no"}),
        (401, {"message": "no"}),
        (402, {"type": "card_error", "code": "card_declined", "message": "no"}),
        (403, {"message": "no"}),
        (409, {"message": "no"}),
        (429, {"message": "no"}),
        (500, {"message": "no"}),
    ],
)
def test_an_error_is_the_sdks_own(status: int, error: dict[str, Any]):
    sdk = client(Recorder(status, {"error": error}))

    with pytest.raises(stripe.StripeError) as ours:
        PostCalls(sdk).send("/v1/payment_intents", {}, key="key-1")
    with pytest.raises(stripe.StripeError) as theirs:
        sdk.raw_request("post", "/v1/payment_intents", idempotency_key="key-1")

    assert type(ours.value) is type(theirs.value)
    for what in ("http_status", "code", "user_message", "json_body", "headers"):
        assert getattr(ours.value, what) == getattr(theirs.value, what), what


def test_an_answer_is_plain():
    found = PostCalls(client(Recorder(200, {"id": "pi_1", "last": {"a": [1, None]}}))).send("/v1/x", {}, key="key-1")

    assert found == {"id": "pi_1", "last": {"a": [1, None]}}


def test_an_answer_that_is_no_json_is_an_error_of_the_sdk():
    transport = Recorder()
    transport._answer = b"<html>", 200, {}

    with pytest.raises(stripe.APIError):
        PostCalls(client(transport)).send("/v1/x", {}, key="key-1")
