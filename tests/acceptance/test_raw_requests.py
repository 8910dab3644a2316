"""Requests as proxies and clients write them, byte for byte, to a real web server."""

from __future__ import annotations

import http.client
import json
import socket
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from orders.models import Order
from tests.driver.factories import PASSWORD, OrderBodyFactory, UserFactory
from tests.driver.orders import placed, status_of
from tests.driver.processes import Shop
from tests.driver.provider import Provider
from tests.driver.tokens import token_of


def send(shop: Shop, path: str, *headers: str, body: bytes) -> tuple[int, dict[str, Any]]:
    """Write a POST as it stands here; return the status and the body of the answer."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", "Content-Type: application/json"]
    with socket.create_connection(("127.0.0.1", shop.port), timeout=30) as connection:
        connection.sendall("\r\n".join([*lines, *headers, "", ""]).encode() + body)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, json.loads(answer.read())


def chunked(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (*parts, b""))


STREAMED = "Transfer-Encoding: chunked"


@pytest.mark.timeout(300)
def test_headers_that_stand_twice_and_bodies_that_are_streamed(
    start_shop: Callable[..., Shop], sandbox: Provider, mug: str
):
    shop = start_shop()
    shop.start_web(workers=1)
    user = UserFactory()
    authorization = f"Authorization: Bearer {token_of(user)}"
    order = json.dumps(OrderBodyFactory()).encode()
    length = f"Content-Length: {len(order)}"

    # One key, sent once, then twice.
    key = f"Idempotency-Key: {uuid.uuid4()}"
    first = send(shop, "/api/v1/orders", authorization, key, length, body=order)
    assert first[0] == 201, shop.tails()
    assert send(shop, "/api/v1/orders", authorization, key, key, length, body=order) == first
    assert send(shop, "/api/v1/orders", authorization, authorization, key, length, body=order) == first
    two_keys = send(shop, "/api/v1/orders", authorization, key, "Idempotency-Key: other", length, body=order)
    assert (two_keys[0], two_keys[1]["code"]) == (400, "header_repeated")
    assert Order.objects.count() == 1

    # An order in pieces, its key another one.
    pieces = chunked(order[:10], order[10:])
    streamed = send(shop, "/api/v1/orders", authorization, "Idempotency-Key: streamed", STREAMED, body=pieces)
    assert (streamed[0], streamed[1]["status"]) == (201, "CONFIRMED")

    # What cancels an order with a length cancels it in pieces; garbage, too much and broken pieces do not.
    order_id = placed(customer_id=user.pk)
    for body, expected in (
        (chunked(b"garbage"), (400, "malformed_request")),
        (chunked(b'{"a": "' + b"x" * 70_000 + b'"}'), (413, "payload_too_large")),
        (b"zz\r\n", (400, "body_unreadable")),
    ):
        path = f"/api/v1/orders/{order_id}/cancel"
        answer = send(shop, path, authorization, "Idempotency-Key: cancel", STREAMED, body=body)
        assert (answer[0], answer[1]["code"]) == expected, shop.tails()
    assert status_of(order_id) == "PENDING"
    canceled = send(shop, path, authorization, "Idempotency-Key: cancel", STREAMED, body=chunked(b"{}"))
    assert (canceled[0], status_of(order_id)) == (200, "CANCELED")

    # The sign-in and the webhook read what was streamed.
    login = json.dumps({"email": user.email, "password": PASSWORD}).encode()
    assert send(shop, "/_allauth/app/v1/auth/login", STREAMED, body=chunked(login))[0] == 200
    forged = send(shop, "/webhooks/stripe", STREAMED, "Stripe-Signature: t=1,v1=0", body=chunked(b"{}"))
    assert (forged[0], forged[1]["code"]) == (400, "invalid_webhook")
