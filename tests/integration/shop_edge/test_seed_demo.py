"""The users of the demo shop can sign in, also where addresses must be verified."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core.management import call_command
from django.test import Client

from inventory import api as inventory
from local.demo import data as demo_data
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
