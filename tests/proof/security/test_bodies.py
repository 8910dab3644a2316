"""What the API does not take: unknown fields, too much of anything, what is no JSON, and lines that are two lines."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client

from orders.rest.serializers import OrderedLineSerializer
from tests.driver.factories import AddressFactory, OrderBodyFactory
from tests.driver.orders import placed
from tests.driver.routes import routes
from tests.driver.shopper import Shopper
from tests.driver.tables import state
from tests.proof.security.people import People
from tests.proof.security.test_routes import API, BODIES, path

UNSAFE = sorted(route for method, route in API if method == "POST" and route.startswith("api/"))
REFUNDS = "api/v1/orders/<any_uuid:order_id>/refunds"
FORBIDDEN = ("status", "customer_id", "total", "captured", "is_staff", "id", "version", "__proto__", "Nonsense")


def send(
    people: People,
    route: str,
    content: str | bytes,
    content_type: str = "application/json",
    *,
    role: str = "staff with permission",
) -> Any:
    headers = people.apis[role].headers | {"Idempotency-Key": str(uuid.uuid4())}
    return Client().post(path(route, people), content, content_type=content_type, headers=headers)


def test_the_unsafe_routes_are_all_those_of_the_api(people: People):
    found = {
        route
        for route, view in routes()
        if route.startswith("api/") and {"post", "put", "patch", "delete"} & set(vars(view.cls))
    }

    assert found == set(UNSAFE)


def test_no_unsafe_route_takes_what_it_does_not_know(people: People):
    before = state()

    for route in UNSAFE:
        for name in FORBIDDEN:
            answer = send(people, route, json.dumps(dict(BODIES.get(route, dict)()) | {name: 1}))
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request"), (route, name)
            assert {error["pointer"] for error in answer.json()["errors"]} == {f"#/{name}"}

    assert state() == before


BAD: dict[str, tuple[str | bytes, str, int]] = {
    "over 64 KiB": (json.dumps({"a": "x" * 65_536}), "application/json", 413),
    "spaces over 64 KiB": ("{}" + " " * 65_536, "application/json", 413),
    "deep": ("[" * 30_000, "application/json", 400),
    "deep and closed": ('{"a":' * 9_000 + "1" + "}" * 9_000, "application/json", 400),
    "NaN": ('{"lines": NaN}', "application/json", 400),
    "Infinity": ('{"lines": -Infinity}', "application/json", 400),
    "half a surrogate pair": ('{"email": "\\ud800"}', "application/json", 400),
    "no UTF-8": (b'{"email": "\xff"}', "application/json", 400),
    "a number of 5000 digits": ('{"lines": ' + "9" * 5000 + "}", "application/json", 400),
    "a list": ("[]", "application/json", 400),
    "nothing": ("null", "application/json", 400),
    "form": ("a=1", "application/x-www-form-urlencoded", 415),
    "multipart": ("--x--", "multipart/form-data; boundary=x", 415),
    "xml": ("<a/>", "application/xml", 415),
    "text": ("{}", "text/plain", 415),
}


@pytest.mark.parametrize("case", BAD)
def test_a_body_that_cannot_be_taken_is_refused_everywhere(case: str, people: People, shopper: Shopper):
    """Each route is asked by one whom it would serve: its customer of an order to pay, staff of one to refund."""
    content, content_type, status = BAD[case]
    to_pay = replace(people, order_id=placed(customer_id=shopper.user.pk))
    before = state()

    for route in UNSAFE:
        if route == REFUNDS:
            answer = send(people, route, content, content_type)
        else:
            answer = send(to_pay, route, content, content_type, role="owner")
        assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json"), route

    assert state() == before


@pytest.mark.parametrize("depth", [10, 100, 300, 700, 900, 950, 1000, 5000])
def test_no_depth_of_a_body_breaks_anything(depth: int, shopper: Shopper):
    for opened, closed in (("[", "]"), ('{"a":', "}")):
        answer = shopper.post("orders", '{"lines":' + opened * depth + "1" + closed * depth + "}")
        assert answer.status_code == 400, (depth, opened, answer.content[:300])


@pytest.mark.parametrize(
    "injected", ["\r\nBcc: all@evil.example", "\nX: 1", "\r", "\x00", "\u2028", "\x1b[2J", "\u202e"]
)
def test_one_line_stays_one_line(injected: str, shopper: Shopper):
    before = state()
    address = AddressFactory(line2="b", region="r")
    bodies = [
        OrderBodyFactory(shipping_address=address | {name: f"A{injected}B"}) for name in address if name != "country"
    ] + [OrderBodyFactory(email=f"ada{injected}@shop.example"), OrderBodyFactory(email=f"ada@shop.example{injected}x")]

    for body in bodies:
        answer = shopper.post("orders", body)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request"), body

    assert state() == before


@pytest.mark.parametrize(
    ("change", "most_bytes"),
    [
        pytest.param({"lines": [{}] * 14_000}, 2_000, id="lines"),
        pytest.param({"lines": [1] * 18_000}, 2_000, id="numbers"),
        pytest.param({f"a{number}": 1 for number in range(5_000)}, 5_000, id="unknown members"),
    ],
)
def test_a_body_of_many_wrong_elements_is_answered_in_few_words(
    change: dict[str, object], most_bytes: int, shopper: Shopper, monkeypatch: pytest.MonkeyPatch
):
    looked_at = []
    monkeypatch.setattr(OrderedLineSerializer, "run_validation", lambda _self, data: looked_at.append(data))

    answer = shopper.post("orders", OrderBodyFactory() | change)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert len(answer.content) < most_bytes
    assert len(looked_at) <= 1


def test_there_is_a_cap_on_lines_quantities_and_texts(shopper: Shopper):
    line = {"sku": "MUG", "quantity": 1}
    for change in (
        {"lines": [line] * 101},
        {"lines": [line | {"quantity": 1001}]},
        {"lines": [line | {"quantity": 2**63}]},
        {"lines": [line | {"sku": "A" * 65}]},
        {"shipping_address": AddressFactory(name="A" * 201)},
        {"email": "a" * 250 + "@shop.example"},
        {"payment_method": "pm_" + "a" * 300},
    ):
        answer = shopper.post("orders", OrderBodyFactory() | change)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request"), change
    long_key = shopper.post("orders", OrderBodyFactory(), key="k" * 201)
    assert (long_key.status_code, long_key.json()["code"]) == (400, "idempotency_key_malformed")
