"""What a request is held to before anything reads it, everywhere: headers that stand twice, bodies without a length."""

from __future__ import annotations

import gzip
import io
import json
import uuid
from typing import Any

import pytest
from django.test import Client

from orders.models import Order
from shop.rest.arrival import SINGLE_HEADERS, refuse_plain_http
from tests.driver.factories import PASSWORD, OrderBodyFactory, UserFactory
from tests.driver.provider import Provider
from tests.driver.shopper import Shopper, id_in
from tests.driver.tables import state
from tests.proof.security.test_webhooks import signature as sign

SIGN_IN = "/_allauth/app/v1/auth/login"


@pytest.mark.parametrize("joined", ["{0},{0}", "{0}, {0}", "{0} ,{0},{0}"])
def test_a_key_that_stands_twice_is_the_same_key(joined: str, shopper: Shopper, sandbox: Provider):
    key, body = str(uuid.uuid4()), OrderBodyFactory()
    first = shopper.post("orders", body, key=key)

    again = shopper.post("orders", body, key=joined.format(key))

    assert (first.status_code, again.status_code) == (201, 201)
    assert (again.content, again["Idempotent-Replayed"]) == (first.content, "true")
    assert (Order.objects.count(), sandbox.money(id_in(first))) == (1, (1, 1250))


@pytest.mark.parametrize("keys", ["a,b", "a,", '"a","b"', 'a,"a"'])
def test_two_keys_are_no_key(keys: str, shopper: Shopper):
    before = state()

    answer = shopper.post("orders", OrderBodyFactory(), key=keys)

    assert (answer.status_code, answer.json()["code"]) == (400, "header_repeated")
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["X-Request-ID"]
    assert state() == before


def test_a_token_that_stands_twice_is_one_token_and_two_tokens_are_none(shopper: Shopper):
    token = shopper.headers["Authorization"].removeprefix("Bearer ")
    other = Shopper(UserFactory()).headers["Authorization"].removeprefix("Bearer ")
    for headers, status in (
        ({"Authorization": f"Bearer {token},Bearer {token}"}, 200),
        ({"Authorization": f"Bearer {token}", "X-Session-Token": token}, 200),
        ({"X-Session-Token": f"{token}, {token}"}, 200),
        ({"Authorization": f"Bearer {token},Bearer {other}"}, 400),
        ({"Authorization": f"Bearer {token}", "X-Session-Token": other}, 400),
        ({"X-Session-Token": f"{token},{other}"}, 400),
        ({"X-Session-Token": token, "Authorization": "Basic c3RhZ2luZzpzdGFnaW5n"}, 200),
    ):
        for where in ("/api/v1/orders", "/_allauth/app/v1/auth/session"):
            if where.startswith("/_allauth") and "X-Session-Token" not in headers:
                continue
            answer = Client().get(where, headers=headers)
            assert answer.status_code == status, (where, headers, answer.content)


@pytest.mark.parametrize("header", sorted(SINGLE_HEADERS.values()))
@pytest.mark.parametrize("where", ["/api/v1/products", SIGN_IN, "/webhooks/stripe", "/admin/login/"])
def test_no_way_in_takes_two_values_of_a_header_that_decides(where: str, header: str, database: None):
    answer = Client().post(where, "{}", content_type="application/json", headers={header: "a,b"})

    assert (answer.status_code, answer.json()["code"]) == (400, "header_repeated")


def test_an_order_is_paid_canceled_and_refunded_only_as_the_version_that_is_meant(
    shopper: Shopper, staff: Shopper, sandbox: Provider
):
    waits = id_in(shopper.place(payment_method="pm_card_authenticationRequired"))
    paid = id_in(shopper.place())
    refund = {"amount": {"amount_minor": 100, "currency": "EUR"}, "reason": "a scratch"}
    before = state()

    for header in ('"stale"', "", "not a tag", '"a", "b"'):
        for caller, where, body in (
            (shopper, f"orders/{waits}/payment", {}),
            (shopper, f"orders/{paid}/cancel", {}),
            (staff, f"orders/{paid}/refunds", refund),
        ):
            headers = caller.headers | {"Idempotency-Key": str(uuid.uuid4()), "If-Match": header}
            sent = json.dumps(body)
            answer = Client().post(f"/api/v1/{where}", sent, content_type="application/json", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed"), (where, header)

    assert state() == before
    tag = shopper.get(f"orders/{paid}")["ETag"]
    assert staff.post(f"orders/{paid}/refunds", refund, **{"If-Match": f'"stale", {tag}'}).status_code == 201


def test_a_signature_that_stands_twice_counts_once_and_two_are_none(sandbox: Provider, shopper: Shopper):
    shopper.place()
    event = sandbox.events("payment_intent.succeeded")[0]
    body = json.dumps(event)
    signed, other = sign(body), sign(body, timestamp=1)

    for signature, status in ((f"{signed},{signed}", 200), (f"{signed}, {signed}", 200), (f"{signed},{other}", 400)):
        answer = Client().post(
            "/webhooks/stripe", body, content_type="application/json", headers={"Stripe-Signature": signature}
        )
        assert answer.status_code == status, signature


# --- bodies without a length ------------------------------------------------------------------------------------------


def send(
    where: str,
    body: bytes | io.BytesIO,
    *,
    terminated: bool = True,
    coding: str = "chunked",
    headers: dict[str, str] | None = None,
) -> Any:
    """Send a body as a server hands it on that has read `Transfer-Encoding: chunked`: without a length."""
    environ = {
        "PATH_INFO": where,
        "REQUEST_METHOD": "POST",
        "CONTENT_TYPE": "application/json",
        "HTTP_TRANSFER_ENCODING": coding,
        "wsgi.input": body if isinstance(body, io.BytesIO) else io.BytesIO(body),
        "wsgi.input_terminated": terminated,
    }
    return Client(headers=headers or {}).request(**environ)


def test_a_body_that_was_streamed_is_read(shopper: Shopper):
    headers = shopper.headers | {"Idempotency-Key": str(uuid.uuid4())}

    answer = send("/api/v1/orders", json.dumps(OrderBodyFactory()).encode(), headers=headers)

    assert (answer.status_code, answer.json()["status"]) == (201, "CONFIRMED")


def test_garbage_that_was_streamed_cancels_nothing(shopper: Shopper):
    order_id = id_in(shopper.place())
    before = state()

    headers = shopper.headers | {"Idempotency-Key": str(uuid.uuid4())}
    answer = send(f"/api/v1/orders/{order_id}/cancel", b"garbage", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")
    assert state() == before


def test_a_streamed_sign_in_signs_in(database: None):
    user = UserFactory()

    answer = send(SIGN_IN, json.dumps({"email": user.email, "password": PASSWORD}).encode())

    assert answer.status_code == 200, answer.content


def test_a_streamed_webhook_is_kept(shopper: Shopper, sandbox: Provider):
    shopper.place()
    body = json.dumps(sandbox.events("payment_intent.succeeded")[0])

    answer = send("/webhooks/stripe", body.encode(), headers={"Stripe-Signature": sign(body)})

    assert answer.status_code == 200, answer.content


@pytest.mark.parametrize("where", ["/api/v1/orders", SIGN_IN, "/webhooks/stripe", "/admin/login/"])
def test_a_streamed_body_is_read_within_the_limit_or_refused(where: str, database: None):
    for answer, status, code in (
        (send(where, b"x" * 65_537), 413, "payload_too_large"),
        (send(where, b"{}", terminated=False), 411, "length_required"),
        (send(where, b"{}", coding="gzip, chunked"), 400, "body_unreadable"),
    ):
        assert answer.status_code == status, (where, answer.content)
        if where != "/admin/login/":
            assert answer.json()["code"] == code


# --- plain HTTP -------------------------------------------------------------------------------------------------------


@pytest.fixture
def over_tls_only(settings: Any) -> None:
    """Redirect to HTTPS, as production does."""
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_REDIRECT_EXEMPT = [r"^health$", r"^ready$", r"^metrics$"]


@pytest.mark.usefixtures("over_tls_only")
@pytest.mark.parametrize("where", ["/api/v1/orders", SIGN_IN, "/webhooks/stripe", "/admin/login/"])
@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_over_plain_http_nothing_is_done_and_nothing_is_redirected(method: str, where: str, database: None):
    answer = getattr(Client(), method)(where, "{}", content_type="application/json")

    assert (answer.status_code, answer.json()["code"]) == (403, "https_required")
    assert "Location" not in answer


@pytest.mark.usefixtures("over_tls_only")
def test_over_plain_http_a_token_is_refused_and_a_page_is_redirected(database: None):
    for headers in ({"Authorization": "Bearer x"}, {"X-Session-Token": "x"}):
        assert Client().get("/api/v1/orders", headers=headers).status_code == 403
        assert Client().get("/api/v1/orders", headers=headers, secure=True).status_code == 401
    assert Client().get("/api/v1/products")["Location"].startswith("https://")
    assert Client().get("/admin/")["Location"].startswith("https://")
    assert Client().get("/health").status_code == 200


# --- bodies that are packed -------------------------------------------------------------------------------------------

EVERYWHERE = ["/api/v1/orders", "/api/v1/products", SIGN_IN, "/webhooks/stripe", "/admin/login/", "/health", "/nowhere"]


@pytest.mark.parametrize("where", EVERYWHERE)
@pytest.mark.parametrize("coding", ["gzip", "GZIP", "br", "identity, gzip", "x-unknown"])
def test_no_way_in_takes_a_body_that_is_packed(where: str, coding: str, shopper: Shopper):
    headers = shopper.headers | {"Content-Encoding": coding, "Idempotency-Key": str(uuid.uuid4())}
    before, body = state(), gzip.compress(json.dumps(OrderBodyFactory()).encode())

    whole = Client().post(where, body, content_type="application/json", headers=headers)
    streamed = send(where, body, headers=headers)

    for answer in (whole, streamed):
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type"), answer.content
        assert "Content-Encoding" in answer.json()["detail"]
        assert answer["Content-Type"] == "application/problem+json"
        assert answer["Accept-Encoding"] == "identity"
    assert state() == before


@pytest.mark.parametrize("coding", ["identity", "", "Identity"])
def test_a_body_that_is_not_packed_is_read_whatever_says_so(coding: str, shopper: Shopper):
    headers = shopper.headers | {"Content-Encoding": coding, "Idempotency-Key": str(uuid.uuid4())}

    answer = Client().post(
        "/api/v1/orders", json.dumps(OrderBodyFactory()), content_type="application/json", headers=headers
    )

    assert answer.status_code == 201


def test_who_sends_no_body_has_nothing_packed(shopper: Shopper):
    headers = shopper.headers | {"Content-Encoding": "gzip"}

    assert Client().get("/api/v1/orders", headers=headers).status_code == 200


@pytest.mark.usefixtures("over_tls_only")
def test_over_plain_http_what_machines_ask_for_is_answered_whatever_they_send(rf: Any):
    assert refuse_plain_http(rf.post("/ready")) is None
    assert refuse_plain_http(rf.post("/ready/else")) is not None


def test_a_body_that_breaks_off_is_unreadable():
    class Broken(io.BytesIO):
        def read(self, *_size: Any) -> bytes:
            raise ConnectionResetError

    answer = send("/api/v1/orders", Broken())

    assert (answer.status_code, answer.json()["code"]) == (400, "body_unreadable")
