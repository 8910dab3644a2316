"""What may mean two things is refused, and what means one thing is taken however it is written."""

from __future__ import annotations

import json
import uuid

import pytest
from django.test import Client

from tests.driver.factories import AddressFactory, OrderBodyFactory
from tests.driver.shopper import Shopper
from tests.driver.tables import state
from tests.proof.security.people import People
from tests.proof.security.test_routes import API, BODIES, call, path

OURS = [(method, route) for method, route in API if route.startswith("api/v1/") and "schema" not in route]
QUERIES = [(method, route) for method, route in OURS if not route.endswith("docs")]


@pytest.mark.parametrize(("method", "route"), QUERIES)
def test_no_route_takes_a_query_that_it_does_not_know(method: str, route: str, people: People):
    before = state()

    answer = call(
        people.apis["staff with permission"], method, f"{path(route, people)}?Limit=1", BODIES.get(route, dict)()
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert answer.json()["errors"] == [{"pointer": "#/Limit", "detail": "This query parameter is not known here."}]
    assert state() == before


def test_a_query_parameter_stands_once(shopper: Shopper):
    assert shopper.get("orders?limit=1").status_code == 200
    assert shopper.get("orders?limit=1&limit=2").status_code == 400
    assert shopper.get("products?limit=1&cursor=&limit=1").status_code == 400


def test_an_id_in_capitals_is_the_same_id(people: People):
    owner = people.apis["owner"]

    answer = owner.get(f"orders/{str(people.order_id).upper()}")

    assert (answer.status_code, answer.json()["id"]) == (200, str(people.order_id))


@pytest.mark.parametrize("twice", ['{"lines": [], "lines": []}', '{"shipping_address": {"name": "A", "name": "B"}}'])
def test_a_member_stands_once(twice: str, shopper: Shopper):
    answer = shopper.post("orders", twice)

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")


@pytest.mark.parametrize(
    ("country", "status"), [("XK", 201), ("AX", 201), ("IC", 400), ("EA", 400), ("AC", 400), ("XA", 400)]
)
def test_a_parcel_goes_to_a_country(country: str, status: int, shopper: Shopper):
    assert shopper.place(shipping_address=AddressFactory(country=country)).status_code == status


@pytest.mark.parametrize(
    ("exponent", "status"), [({}, 201), ({"exponent": 2}, 201), ({"exponent": 0}, 400), ({"exponent": "2"}, 400)]
)
def test_an_exponent_that_is_sent_is_the_currency_s(exponent: dict[str, object], status: int, shopper: Shopper):
    total = {"amount_minor": 1250, "currency": "EUR"} | exponent

    assert shopper.place(expected_total=total).status_code == status


def test_a_body_of_one_meaning_is_taken(shopper: Shopper):
    headers = shopper.headers | {"Idempotency-Key": str(uuid.uuid4())}
    body = json.dumps(OrderBodyFactory())

    assert Client().post("/api/v1/orders", body, content_type="application/json", headers=headers).status_code == 201
