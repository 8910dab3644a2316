"""What every caller is told alike: products that caches keep, answers that are compressed, Accept and the challenge of a 401."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from django.test import Client, RequestFactory

from inventory import api as inventory
from shop.rest.chains import Handler
from tests.driver.factories import ProductFactory
from tests.driver.routes import routes

PRODUCTS = ["/api/v1/products", "/api/v1/products/MUG-01"]


@pytest.fixture
def mugs(database: None) -> None:
    for number in range(1, 6):
        ProductFactory(sku=f"MUG-{number:02}", stock=10)


@pytest.mark.parametrize("path", PRODUCTS)
def test_a_product_may_be_kept_for_seconds_and_is_asked_after_by_its_tag(path: str, mugs: None):
    first = Client().get(path)
    again = Client().get(path, headers={"If-None-Match": first["ETag"]})

    assert first["Cache-Control"] == "public, max-age=5"
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])

    inventory.receive_stock(sku="MUG-01", quantity=1, reference="test")
    changed = Client().get(path, headers={"If-None-Match": first["ETag"]})

    assert changed.status_code == 200
    assert changed["ETag"] != first["ETag"]


def test_products_and_the_description_are_compressed_for_who_takes_that(mugs: None):
    for path in ("/api/v1/products", "/api/v1/schema"):
        whole, packed = (Client().get(path, headers={"Accept-Encoding": how}) for how in ("identity", "gzip"))

        assert packed["Content-Encoding"] == "gzip"
        assert gzip.decompress(packed.content) == whole.content
        assert "Accept-Encoding" in packed["Vary"]
        assert "Content-Encoding" not in whole


def test_a_tag_of_a_compressed_answer_is_taken_too(mugs: None):
    packed = Client().get("/api/v1/products", headers={"Accept-Encoding": "gzip"})

    again = Client().get("/api/v1/products", headers={"Accept-Encoding": "gzip", "If-None-Match": packed["ETag"]})

    assert packed["ETag"].startswith('W/"')
    assert again.status_code == 304


@pytest.mark.parametrize("accept", ["application/problem+json", "text/html, application/problem+json;q=0.5"])
def test_who_takes_problems_gets_answers_and_problems(accept: str, mugs: None):
    found = Client().get("/api/v1/products/MUG-01", headers={"Accept": accept})
    missing = Client().get("/api/v1/products/NONE", headers={"Accept": accept})

    assert (found.status_code, found["Content-Type"], found.json()["sku"]) == (200, "application/json", "MUG-01")
    assert (missing.status_code, missing["Content-Type"]) == (404, "application/problem+json")


def test_who_takes_neither_is_told_so(mugs: None):
    answer = Client().get("/api/v1/products", headers={"Accept": "text/csv"})

    assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")


def test_a_challenge_names_the_token_as_wrong_only_where_one_was_sent():
    missing = Client().get("/api/v1/orders")
    wrong = [
        Client().get("/api/v1/orders", headers={name: value})
        for name, value in (("Authorization", "Bearer nobodys"), ("X-Session-Token", "nobodys"))
    ]

    assert missing["WWW-Authenticate"] == 'Bearer realm="api"'
    assert {each["WWW-Authenticate"] for each in wrong} == {'Bearer realm="api", error="invalid_token"'}


def test_no_address_of_a_program_answers_with_a_page(database: None, settings: Any):
    """Also where a form's token is missing: that is asked for in pages only."""
    browser = Client(enforce_csrf_checks=True, raise_request_exception=False)
    pages = []
    for route, _view in routes():
        path = "/" + route.replace("<any_uuid:order_id>", "01890a5d-ac96-774b-bcce-b302099a8057").replace(
            "<str:sku>", "A"
        )
        if path.startswith(("/api/", "/webhooks/", "/_allauth/", "/health", "/ready", "/metrics")):
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                answer = browser.generic(method, path, json.dumps({}), "application/json")
                if answer.content and "json" not in answer["Content-Type"]:
                    pages.append(f"{method} {path}: {answer.status_code} {answer['Content-Type']}")

    assert pages == []


@pytest.mark.parametrize("how", ["gzip", "identity"])
def test_an_unchanged_answer_has_the_tag_and_vary_of_the_whole(mugs: None, how: str):
    whole = Client().get("/api/v1/products", headers={"Accept-Encoding": how})

    again = Client().get("/api/v1/products", headers={"Accept-Encoding": how, "If-None-Match": whole["ETag"]})

    assert (whole.status_code, again.status_code, again.content) == (200, 304, b"")
    assert (again["ETag"], again["Vary"]) == (whole["ETag"], whole["Vary"])
    assert "Accept-Encoding" in whole["Vary"]


@pytest.mark.parametrize(
    ("header", "packed"),
    [
        ("gzip;q=0", False), ("gzip; q=0.000, br", False), ("br", False), ("", False), ("nogzip", False),
        ("gzip", True), ("br, gzip;q=0.5", True), ("deflate, gzip ; q=1", True),
    ],
)  # fmt: skip
def test_an_answer_is_packed_only_for_who_takes_it(header: str, packed: bool):
    answer = Client().get("/api/v1/schema", headers={"Accept-Encoding": header})

    assert answer.has_header("Content-Encoding") is packed


def test_the_answer_to_head_has_the_length_and_no_body(mugs: None):
    told: dict[str, Any] = {}

    def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> None:
        told.update(dict(headers), status=status)

    whole = Client().get("/api/v1/products")
    body = b"".join(Handler()(RequestFactory().head("/api/v1/products").environ, start))

    assert (told["status"], told["Content-Length"], body) == ("200 OK", str(len(whole.content)), b"")
