"""The product pages of the API."""

import pytest
from django.test import Client

from inventory import api as inventory
from shop.money import Money
from tests.integration.inventory.reservations import no_free_connection, reservation_in

pytestmark = pytest.mark.usefixtures("audited")


def test_anybody_may_read_what_a_product_costs_and_whether_it_is_there(shelf):
    shelf("MUG", 7, Money(900, "JPY"))

    answer = Client().get("/api/v1/products/MUG")

    assert answer.status_code == 200
    assert answer.json() == {
        "sku": "MUG",
        "name": "A mug",
        "price": {"amount_minor": 900, "currency": "JPY", "exponent": 0, "formatted": "900"},
        "available": 7,
        "availability": "in_stock",
        "description": "",
        "category": "",
        "images": [],
        "group": "",
        "options": {},
        "weight_grams": 0,
        "tax_class": "",
        "variants": [],
    }


@pytest.mark.parametrize("address", ["products", "products/MUG", "categories"])
def test_a_read_that_gets_no_connection_is_told_that_the_shop_is_busy(shelf, address):
    shelf()

    with no_free_connection():
        answer = Client().get(f"/api/v1/{address}")

    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (503, "busy", "1")


@pytest.mark.parametrize("sku", ["NOBODY-KNOWS", "OLD", "A%00B", "A%20B", "%F0%9F%8D%BA"])
def test_product_that_is_not_for_sale_is_a_problem_with_its_code(shelf, sku):
    shelf("OLD")
    inventory.change_product(sku="OLD", name="Old", price=Money(1, "EUR"), active=False)

    answer = Client().get(f"/api/v1/products/{sku}")

    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "product_not_found"


def test_list_walks_all_products_by_cursor_without_gap_or_repeat(shelf):
    skus = [shelf(f"SKU-{number:02}") for number in range(7)]

    found, url = [], "/api/v1/products?limit=3"
    while url:
        page = Client().get(url).json()
        found += [product["sku"] for product in page["results"]]
        url = page["next"]

    assert found == skus


def test_list_counts_expired_holds_as_available(shelf):
    shelf("MUG", 5)
    reservation_in("HELD")
    reservation_in("OVERDUE_HELD")

    [product] = Client().get("/api/v1/products").json()["results"]

    assert product["available"] == 3


def test_products_cannot_be_written_over_http(shelf):
    shelf()

    assert Client().post("/api/v1/products/MUG", {"price": 1}, content_type="application/json").status_code in {
        401,
        405,
    }


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=000000001000",
        "limit=ten",
        "limit=-1",
        "limit=",
        "cursor=nonsense",
        "cursor=cD0lMDA=",
    ],
)
def test_a_page_that_does_not_exist_is_400_and_says_which_parameter(shelf, client, query):
    answer = client.get(f"/api/v1/products?{query}")

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"#/{query.partition('=')[0]}"]
