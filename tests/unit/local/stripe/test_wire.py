"""The HTTP underneath: keep-alive, keys in both forms, and bytes that are no request."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import socket
import urllib.parse
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.stripe import Sandbox
from local.stripe.errors import StripeError
from local.stripe.params import parse_form

from .clients import Shop

BEARER = {"Authorization": "Bearer sk_test_sandbox"}


@pytest.fixture
def connection(sandbox: Sandbox) -> Iterator[http.client.HTTPConnection]:
    opened = http.client.HTTPConnection(sandbox.url.removeprefix("http://"), timeout=10)
    yield opened
    opened.close()


def ask(connection: http.client.HTTPConnection, method: str, path: str, **more: object) -> tuple[int, dict]:  # type: ignore[type-arg]
    connection.request(method, path, **more)  # type: ignore[arg-type]
    response = connection.getresponse()
    body = response.read()
    return response.status, json.loads(body) if body else {}


def raw(sandbox: Sandbox, sent: bytes) -> bytes:
    host, port = sandbox.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as opened:
        opened.sendall(sent)
        opened.shutdown(socket.SHUT_WR)
        received = b""
        while chunk := opened.recv(65536):
            received += chunk
        return received


def test_one_connection_serves_many_requests(connection: http.client.HTTPConnection) -> None:
    ask(connection, "GET", "/v1/events", headers=BEARER)
    used = connection.sock

    for _ in range(3):
        assert ask(connection, "GET", "/v1/events", headers=BEARER)[0] == 200

    assert connection.sock is used


def test_key_may_come_as_basic_user(connection: http.client.HTTPConnection) -> None:
    token = base64.b64encode(b"sk_test_sandbox:").decode()

    assert ask(connection, "GET", "/v1/balance", headers={"Authorization": f"Basic {token}"})[0] == 200


@pytest.mark.parametrize("value", ["", "Bearer ", "Bearer sk_live_x", "Basic !!!", "Basic c2tfeA==", "Digest x"])
def test_any_other_key_is_401(connection: http.client.HTTPConnection, value: str) -> None:
    status, body = ask(connection, "GET", "/v1/balance", headers={"Authorization": value})

    assert (status, body["error"]["type"]) == (401, "invalid_request_error")
    assert "sk_live_x" not in json.dumps(body)


def test_unknown_address_is_404(connection: http.client.HTTPConnection) -> None:
    for method, path in (("GET", "/v1/surprise"), ("DELETE", "/v1/events"), ("GET", "/")):
        status, body = ask(connection, method, path, headers=BEARER)
        assert (status, body["error"]["type"]) == (404, "invalid_request_error")


def test_answers_name_the_request_and_the_version(connection: http.client.HTTPConnection) -> None:
    connection.request("GET", "/v1/events", headers={**BEARER, "Stripe-Version": "2026-10-28.endive"})
    response = connection.getresponse()
    response.read()

    assert response.headers["Request-Id"].startswith("req_")
    assert response.headers["Stripe-Version"] == "2026-10-28.endive"


def test_browser_may_ask_first(connection: http.client.HTTPConnection) -> None:
    connection.request("OPTIONS", "/v1/payment_intents/pi_1/confirm", headers={"Origin": "http://shop.example"})
    response = connection.getresponse()
    response.read()

    assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (204, "*")


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET /v1/events HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"POST /v1/refunds HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/refunds HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
        b"POST /v1/refunds HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /v1/events HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n",
    ],
)
def test_what_is_no_request_is_400_and_the_sandbox_lives_on(sandbox: Sandbox, shop: Shop, sent: bytes) -> None:
    assert raw(sandbox, sent).startswith(b"HTTP/1.1 400 ")
    assert shop.create().id


def test_body_cut_short_has_no_effect(sandbox: Sandbox, shop: Shop) -> None:
    head = b"POST /v1/payment_intents HTTP/1.1\r\nAuthorization: Bearer sk_test_sandbox\r\nContent-Length: 999\r\n\r\n"

    assert raw(sandbox, head + b"amount=5000&currency=eur") == b""
    assert shop.intents.list().data == []


@pytest.mark.parametrize("body", [b"\xff\xfe", b"a[b]=1&a=2&a[c]=3", b"a=1&a[b]=2", b"amount[x]=1&currency=eur"])
def test_malformed_form_is_400(connection: http.client.HTTPConnection, body: bytes) -> None:
    status, answer = ask(connection, "POST", "/v1/payment_intents", body=body, headers=BEARER)

    assert (status, answer["error"]["type"]) == (400, "invalid_request_error")


@given(st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_no_form_breaks_the_parser(text: str) -> None:
    with contextlib.suppress(StripeError):
        assert isinstance(parse_form(text), dict)


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,10}", fullmatch=True), st.text(max_size=20), max_size=5))
@settings(max_examples=100, deadline=None)
def test_nested_keys_come_back_as_they_were_sent(metadata: dict[str, str]) -> None:
    sent = urllib.parse.urlencode({f"metadata[{key}]": value for key, value in metadata.items()})

    assert parse_form(sent).get("metadata", {}) == metadata
