"""What our calls send and make of an answer, held against the SDK's own raw_request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
import stripe

from payments.gateways.stripe.calls import Calls
from payments.gateways.stripe.lists import decode_intents, decode_plain

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
    calls = Calls(sdk)

    calls.send("/v1/payment_intents", wanted, key="key-1")
    sdk.raw_request("post", "/v1/payment_intents", idempotency_key="key-1", **wanted)
    calls.send("/v1/payment_intents", wanted, key="key-2")

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
        Calls(sdk).send("/v1/payment_intents", {}, key="key-1")
    with pytest.raises(stripe.StripeError) as theirs:
        sdk.raw_request("post", "/v1/payment_intents", idempotency_key="key-1")

    assert type(ours.value) is type(theirs.value)
    for what in ("http_status", "code", "user_message", "json_body", "headers"):
        assert getattr(ours.value, what) == getattr(theirs.value, what), what


def test_an_answer_is_plain():
    found = Calls(client(Recorder(200, {"id": "pi_1", "last": {"a": [1, None]}}))).send("/v1/x", {}, key="key-1")

    assert found == {"id": "pi_1", "last": {"a": [1, None]}}


def test_an_answer_that_is_no_json_is_an_error_of_the_sdk():
    transport = Recorder()
    transport._answer = b"<html>", 200, {}

    with pytest.raises(stripe.APIError):
        Calls(client(transport)).send("/v1/x", {}, key="key-1")


LISTED: list[Mapping[str, Any]] = [
    {"limit": 100},
    {"created": {"gte": 1, "lte": 2}, "limit": 100, "expand": ["data.latest_charge"], "starting_after": "pi_1 ü&=[]"},
]
INTENT = {"id": "pi_1", "status": "succeeded", "amount": 1, "currency": "eur", "created": 1, "livemode": False}
NO_INTENTS: list[Any] = [
    {"data": [INTENT | {"amount": "much"}], "has_more": False},
    {"data": [INTENT | {"metadata": ["none"]}], "has_more": False},
    {"data": [], "has_more": None},
]


@pytest.mark.parametrize("wanted", LISTED)
@pytest.mark.parametrize("options", [{}, {"base_addresses": {"api": "http://127.0.0.1:1"}}, {"stripe_version": "x"}])
def test_a_list_is_asked_for_as_the_sdk_asks(wanted: Mapping[str, Any], options: dict[str, Any]):
    transport = Recorder()
    sdk = client(transport, **options)

    Calls(sdk).page("/v1/payment_intents", wanted, decode=decode_plain)
    sdk.raw_request("get", "/v1/payment_intents", **wanted)

    ours, theirs = transport.sent
    assert ours == theirs


def test_a_page_of_intents_is_read_without_what_nobody_asks_of_it():
    body = {
        "object": "list",
        "data": [INTENT | {"latest_charge": {"amount_refunded": 1, "paid": True}}],
        "has_more": True,
    }

    page = Calls(client(Recorder(200, body))).page("/v1/payment_intents", {}, decode=decode_intents)

    assert page["has_more"] is True
    assert (page["data"][0]["id"], page["data"][0]["latest_charge"]["amount_refunded"]) == ("pi_1", 1)
    assert not hasattr(page["data"][0].latest_charge, "paid")


@pytest.mark.parametrize("body", NO_INTENTS)
def test_a_page_of_another_shape_is_read_as_it_is(body: Any):
    assert Calls(client(Recorder(200, body))).page("/v1/payment_intents", {}, decode=decode_intents) == body


@pytest.mark.parametrize(
    ("status", "content"), [(200, b"<html>"), (500, b"{}"), (429, b'{"error": {"message": "no"}}')]
)
@pytest.mark.parametrize("decode", [decode_intents, decode_plain])
def test_a_list_that_is_no_answer_is_an_error_of_the_sdk(status: int, content: bytes, decode: Any):
    transport = Recorder()
    transport._answer = content, status, {}
    sdk = client(transport)

    with pytest.raises(stripe.StripeError) as ours:
        Calls(sdk).page("/v1/payment_intents", {}, decode=decode)
    with pytest.raises(stripe.StripeError) as theirs:
        sdk.raw_request("get", "/v1/payment_intents")

    assert type(ours.value) is type(theirs.value)
    assert ours.value.http_status == theirs.value.http_status == status
