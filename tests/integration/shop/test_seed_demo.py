"""The users of the demo shop can sign in, also where addresses must be verified."""

from __future__ import annotations

import json
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core.management import call_command
from django.test import Client

from inventory import api as inventory
from local.demo import data as demo_data
from orders.models import TaxRate
from shop.models import User
from shop.money import Money


@pytest.mark.parametrize("was_there", [False, True])
def test_demo_users_sign_in_where_addresses_must_be_verified(database: None, settings: Any, was_there: bool):
    settings.DEMO_DATA_ALLOWED = True
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    if was_there:  # as an earlier release made it, and left it once somebody had signed in
        user = User.objects.create_user(demo_data.SHOPPER.email, demo_data.SHOPPER.password)
        EmailAddress.objects.create(user=user, email=demo_data.SHOPPER.email, primary=True, verified=False)

    for _time in range(2):
        call_command("seed_demo", verbosity=0)

    for who in (demo_data.SHOPPER, demo_data.STAFF):
        answer = Client().post(
            "/_allauth/app/v1/auth/login",
            {"email": who.email, "password": who.password},
            content_type="application/json",
        )
        assert (answer.status_code, EmailAddress.objects.get(email=who.email).verified) == (200, True)


def test_demo_products_are_shown_with_pictures_in_four_categories(database: None, settings: Any):
    settings.DEMO_DATA_ALLOWED = True
    call_command("seed_demo", verbosity=0)

    products = Client().get("/api/v1/products?limit=100").json()["results"]
    variants = Client().get("/api/v1/products/TEE-M").json()["variants"]

    assert {product["sku"] for product in products} == {product.sku for product in demo_data.PRODUCTS}
    assert all(product["images"] and product["description"] and product["weight_grams"] for product in products)
    assert {product["availability"] for product in products} == {"in_stock", "few_left", "sold_out"}
    assert len(Client().get("/api/v1/categories").json()["results"]) == 4
    assert [variant["options"]["size"] for variant in variants] == ["S", "M", "L", "XL"]


def test_what_an_earlier_release_seeded_is_filled_in_once_and_keeps_its_price(database: None, settings: Any):
    settings.DEMO_DATA_ALLOWED = True
    inventory.add_product(sku="MUG-BLUE", name="My mug", price=Money(900, "EUR"))

    for _time in range(2):
        call_command("seed_demo", verbosity=0)

    mug = Client().get("/api/v1/products/MUG-BLUE").json()
    assert (mug["name"], mug["price"]["amount_minor"], mug["available"]) == ("My mug", 900, 0)
    assert (mug["category"], mug["options"]) == ("Kitchen", {"color": "Blue"})


def quote(country: str, sku: str, **more: Any) -> Any:
    body = {"lines": [{"sku": sku, "quantity": 1}], "destination": {"country": country}} | more
    return Client().post("/api/v1/quotes", json.dumps(body), content_type="application/json")


def told(answer: Any) -> list[tuple[str, str, int, bool]]:
    return [
        (each["kind"], each["code"], each["amount"]["amount_minor"], each["included"])
        for each in answer.json()["adjustments"]
    ]


def test_a_demo_shop_with_prices_ships_everything_to_anywhere_and_has_its_codes(database: None, settings: Any):
    settings.DEMO_DATA_ALLOWED = True
    for _time in range(2):
        call_command("seed_demo", prices=True, verbosity=0)

    for country in ("DE", "PT", "US", "JP"):
        for product in demo_data.PRODUCTS:
            assert quote(country, product.sku).status_code == 200, (country, product.sku)
    assert told(quote("PT", "MUG-BLUE")) == [("shipping", "standard", 990, False), ("tax", "PT", 419, True)]
    assert told(quote("DE", "LAMP-OAK", codes=["WELCOME10", "TENOFF"])) == [
        ("discount", "WELCOME10", -890, False),
        ("discount", "TENOFF", -1000, False),
        ("shipping", "standard", 0, False),
        ("tax", "DE", 1119, True),
    ]
    assert told(quote("US", "NOTEBOOK-US", destination={"country": "US", "region": "NY"}))[-1] == (
        "tax", "US:NY", 185, False,
    )  # fmt: skip


def test_a_shop_with_rules_of_its_own_keeps_them_and_gets_no_others(database: None, settings: Any):
    settings.DEMO_DATA_ALLOWED = True
    TaxRate.objects.create(country="DE", label="Mine", percent=5)

    call_command("seed_demo", prices=True, verbosity=0)

    assert [rate.label for rate in TaxRate.objects.all()] == ["Mine"]
    assert quote("DE", "MUG-BLUE").json()["shipping_options"] == []
