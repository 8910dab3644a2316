"""What shoppers look for: the products searched, narrowed and sorted, page by page; their groups and categories."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connections
from django.test import Client

from inventory import api as inventory
from inventory import queries
from shop import transactions
from shop.money import Money
from tests.integration.inventory.reservations import execute, reservation_in

pytestmark = pytest.mark.usefixtures("audited")

Put = Callable[..., str]


@pytest.fixture
def put(database: None) -> Put:
    """Return a function that puts a product with details on the shelf and returns its SKU."""

    def add(
        sku: str, name: str = "", *, minor: int = 1250, currency: str = "EUR", stock: int = 10, **details: Any
    ) -> str:
        price = Money(minor, currency)
        inventory.add_product(sku=sku, name=name or sku.title(), price=price, details=inventory.Details(**details))
        if stock:
            inventory.receive_stock(sku=sku, quantity=stock, reference="delivery 1")
        return sku

    return add


def listed(query: str = "") -> list[str]:
    answer = Client().get(f"/api/v1/products?{query}")
    assert answer.status_code == 200, answer.content
    return [product["sku"] for product in answer.json()["results"]]


def pages(query: str, *, link: str = "next", url: str = "") -> Iterator[list[str]]:
    following: str | None = url or f"/api/v1/products?{query}"
    while following:
        page = Client().get(following).json()
        yield [product["sku"] for product in page["results"]]
        following = page[link]


def test_a_product_shows_all_that_is_told_of_it(put: Put):
    put(
        "TEE-M",
        "T-shirt, size M",
        description="Soft.\nWashes well.",
        images=(inventory.Image("/static/tee.svg", "A red T-shirt"),),
        category="Clothes",
        group="TEE",
        options={"size": "M"},
        weight_grams=180,
        tax_class="reduced",
        stock=5,
    )

    [product] = Client().get("/api/v1/products").json()["results"]

    assert product == {
        "sku": "TEE-M",
        "name": "T-shirt, size M",
        "description": "Soft.\nWashes well.",
        "category": "Clothes",
        "images": [{"url": "/static/tee.svg", "alt": "A red T-shirt"}],
        "price": {"amount_minor": 1250, "currency": "EUR", "exponent": 2, "formatted": "12.50"},
        "available": 5,
        "availability": "few_left",
        "group": "TEE",
        "options": {"size": "M"},
        "weight_grams": 180,
        "tax_class": "reduced",
    }


def test_a_product_names_the_others_of_its_group_as_they_were_made(put: Put):
    put("TEE-S", group="TEE", options={"size": "S"})
    put("TEE-M", group="TEE", options={"size": "M"}, stock=0)
    put("TEE-L", group="TEE", options={"size": "L"}, minor=1450)
    put("TEE-OLD", group="TEE", options={"size": "XL"}, active_to=datetime.now(UTC) - timedelta(days=1))
    put("MUG")

    variants = Client().get("/api/v1/products/TEE-L").json()["variants"]

    assert [(variant["sku"], variant["options"], variant["availability"]) for variant in variants] == [
        ("TEE-S", {"size": "S"}, "in_stock"),
        ("TEE-M", {"size": "M"}, "sold_out"),
        ("TEE-L", {"size": "L"}, "in_stock"),
    ]
    assert variants[2]["price"]["formatted"] == "14.50"
    assert Client().get("/api/v1/products/MUG").json()["variants"] == []


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("mug", ["MUG-12", "MUG-BLUE"]),
        ("MU", ["MUG-12", "MUG-BLUE"]),  # as one types
        ("blue mug", ["MUG-BLUE"]),
        ("mug-12", ["MUG-12"]),
        ("cafetiere", ["POT"]),
        ("Cafetière", ["POT"]),
        ("\uff43\uff41\uff46\uff45", ["POT"]),  # of full width
        ("stoneware kitchen", ["MUG-BLUE"]),  # description and category
        ("red", ["TEE"]),  # the value of an option
        ("size", []),  # not its name
        ("t-shirt", ["TEE"]),
        ("रंगीन", ["TEE"]),
        ("ug", []),
        ("mug & !blue | :*'", ["MUG-BLUE"]),  # no operator reaches the database
        ("'); --", []),
        ("!", []),
        ("", ["MUG-12", "MUG-BLUE", "POT", "TEE"]),
        ("  ", ["MUG-12", "MUG-BLUE", "POT", "TEE"]),
    ],
)
def test_each_word_of_a_search_begins_some_word_of_the_product(put: Put, search: str, found: list[str]):
    put("MUG-BLUE", "Mug", description="Made of stoneware.", category="Kitchen")
    put("MUG-12", "A dozen")
    put("POT", "Cafetière")
    put("TEE", "T-shirt रंगीन", group="TEE", options={"size": "M", "color": "Red"})

    assert listed(f"search={quote(search)}") == found


def test_a_list_is_narrowed_by_category_and_by_what_is_in_stock(put: Put):
    put("CUP", category="Kitchen")
    put("LAMP", category="Home", stock=0)
    put("MUG", category="Kitchen", stock=2)
    put("PAN", category="Kitchen", stock=0)
    reservation_in("OVERDUE_HELD")  # of both mugs: whoever wants one frees it

    assert listed("category=&search=") == ["CUP", "LAMP", "MUG", "PAN"]
    assert listed("category=Kitchen") == ["CUP", "MUG", "PAN"]
    assert listed("category=kitchen") == []
    assert listed("category=Kitchen&in_stock=true") == ["CUP", "MUG"]
    assert listed("in_stock=false") == ["CUP", "LAMP", "MUG", "PAN"]
    assert listed("category=Kitchen&search=pa&in_stock=true") == []


@pytest.mark.parametrize(
    ("sort", "skus"),
    [
        ("sku", ["A", "B", "C", "D", "E"]),
        ("name", ["D", "B", "C", "A", "E"]),
        ("-name", ["E", "A", "C", "B", "D"]),
        ("price", ["B", "C", "A", "D", "E"]),
        ("-price", ["E", "D", "A", "C", "B"]),
        ("newest", ["C", "D", "A", "E", "B"]),
    ],
)
def test_each_order_is_kept_over_pages_both_ways(put: Put, sort: str, skus: list[str]):
    put("B", "Cup", minor=900)
    put("E", "teapot", minor=100, currency="JPY")
    put("A", "Mug", minor=1000)
    put("D", "apron", minor=1000)
    put("C", "cup", minor=900)

    forward = list(pages(f"sort={sort}&limit=2"))
    last = Client().get(f"/api/v1/products?sort={sort}&limit=2").json()["next"]
    last = Client().get(last).json()["next"]
    backward = list(pages("", link="previous", url=last))

    assert forward == [skus[:2], skus[2:4], skus[4:]]
    assert backward == [skus[4:], skus[2:4], skus[:2]]


def test_pages_stay_in_step_where_all_cost_the_same_and_some_change(put: Put):
    for number in range(6):
        put(f"SKU-{number}", "The same")

    first = Client().get("/api/v1/products?sort=price&limit=2").json()
    put("SKU-00", "The same")  # on the first page
    execute("UPDATE inventory_product SET active = false WHERE sku = %s", "SKU-1")
    rest = [sku for page in pages("", url=first["next"]) for sku in page]

    assert rest == ["SKU-2", "SKU-3", "SKU-4", "SKU-5"]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("sort=color", "sort"),
        ("sort=", "sort"),
        ("in_stock=maybe", "in_stock"),
        ("in_stock=", "in_stock"),
        (f"search={101 * 'x'}", "search"),
        ("search=a%00b", "search"),
        (f"category={81 * 'x'}", "category"),
        ("category=a%00b", "category"),
        ("sort=newest&cursor=cD1TS1UtMQ%3D%3D", "cursor"),
        ("colour=red", "colour"),
        ("sort=name&sort=price", "sort"),
    ],
)
def test_a_query_that_means_nothing_is_400_and_says_which_parameter(database: None, query: str, parameter: str):
    answer = Client().get(f"/api/v1/products?{query}")

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"#/{parameter}"]


def test_a_choice_that_there_is_not_is_answered_with_those_that_there_are(database: None):
    (error,) = Client().get("/api/v1/products?sort=foo").json()["errors"]

    assert error["detail"] == "Send one of: sku, name, -name, price, -price, newest."


def test_categories_are_those_of_which_something_is_for_sale(put: Put):
    put("CUP", category="Kitchen")
    put("PAN", category="Kitchen", stock=0)
    put("TEE", category="Clothes")
    put("OLD", category="Past", active_to=datetime.now(UTC) - timedelta(days=1))
    put("MUG")

    answer = Client().get("/api/v1/categories")

    assert answer.json() == {"results": [{"name": "Clothes", "products": 1}, {"name": "Kitchen", "products": 2}]}
    assert answer["Cache-Control"] == "public, max-age=60"
    assert Client().get("/api/v1/categories", headers={"If-None-Match": answer["ETag"]}).status_code == 304


def test_a_list_that_did_not_change_is_304_for_each_query(put: Put):
    put("MUG", category="Kitchen")

    answer = Client().get("/api/v1/products?search=mug")

    assert answer["Cache-Control"] == "public, max-age=5"
    held = {"If-None-Match": answer["ETag"]}
    assert Client().get("/api/v1/products?search=mug", headers=held).status_code == 304
    assert Client().get("/api/v1/products?search=cup", headers=held).status_code == 200


MANY = 5000


@pytest.fixture
def many(database: None) -> None:
    """Have thousands of products, most of them of one category."""
    execute(
        "INSERT INTO inventory_product (id, sku, name, price_minor, currency, active, category) SELECT gen_random_uuid(),"
        " 'SKU-' || i, CASE i %% 100 WHEN 0 THEN 'Rare ' ELSE 'Common ' END || i, i %% 50, 'EUR', true,"
        f" CASE i %% 100 WHEN 0 THEN 'Few' ELSE 'Many' END FROM generate_series(1, {MANY}) AS i"
    )
    execute(
        "INSERT INTO inventory_stock (sku, available, reserved, sold, received, written_off, version)"
        " SELECT sku, 10, 0, 0, 10, 0, 2 FROM inventory_product"
    )
    execute(
        "INSERT INTO inventory_stockmovement (sku, kind, reference, available_delta, reserved_delta, sold_delta,"
        " received_delta, written_off_delta) SELECT sku, 'RECEIVED', 'delivery 1', 10, 0, 0, 10, 0 FROM inventory_stock"
    )
    execute("VACUUM (ANALYZE) inventory_product, inventory_stock")


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        ({"sort": "sku"}, "inventory_product_sku"),
        ({"sort": "name"}, "inventory_product_by_name"),
        ({"sort": "-name", "in_stock": True}, "inventory_product_by_name"),
        ({"sort": "price"}, "inventory_product_by_price"),
        ({"sort": "-price", "category": "Many"}, "inventory_product_by_price"),
        ({"sort": "newest"}, "inventory_product_pkey"),
        ({"search": "rar"}, "inventory_product_words"),
        ({"search": "rare 4200", "sort": "price"}, "inventory_product_words"),
        ({"category": "Few", "sort": "name"}, "inventory_product_by_category"),
    ],
)
def test_a_page_is_read_by_index_and_reads_no_more_than_fits(many: None, asked: dict[str, Any], index: str):
    page = queries.find_products(**asked).order_by(f"{queries.SORTS[asked.get('sort', 'sku')][1]}sort_key")[:21]
    sql, parameters = page.query.sql_with_params()
    with connections[transactions.alias_for("inventory")].cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}", parameters)
        [[plan]] = cursor.fetchone()

    nodes = list(_nodes(plan["Plan"]))

    assert any(node.get("Index Name", "").startswith(index) for node in nodes), json.dumps(plan["Plan"])
    assert max(node["Actual Rows"] * node["Actual Loops"] for node in nodes) <= 100, json.dumps(plan["Plan"])


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for inner in node.get("Plans", ()):
        yield from _nodes(inner)
