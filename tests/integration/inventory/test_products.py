"""What is kept of a product, and the time in which it is sold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from inventory import api as inventory
from inventory.models import Product
from shop import transactions
from shop.money import Money
from tests.integration.inventory.reservations import execute, reserve

pytestmark = pytest.mark.usefixtures("audited")

PRICE = Money(1250, "EUR")
DETAILS = inventory.Details(
    description="Holds tea.\nAnd coffee.",
    images=(inventory.Image("/static/mug.svg", "A blue mug"),),
    category="Kitchen",
    group="MUGS",
    options={"color": "blue"},
    weight_grams=350,
    tax_class="reduced",
)


def change(sku: str, details: inventory.Details | None = None) -> None:
    inventory.change_product(sku=sku, name="Mug", price=PRICE, active=True, details=details)


def sold_between(sku: str, start: timedelta | None, end: timedelta | None) -> None:
    now = datetime.now(UTC)
    change(
        sku,
        inventory.Details(
            active_from=None if start is None else now + start, active_to=None if end is None else now + end
        ),
    )


def test_an_offer_says_what_prices_need(shelf):
    change(shelf(), DETAILS)

    assert inventory.get_offers(skus=["MUG"])["MUG"] == inventory.ProductOffer(
        "MUG", "Mug", PRICE, 10, weight_grams=350, tax_class="reduced", category="Kitchen"
    )


def test_a_change_without_details_leaves_them_as_they_are(shelf):
    change(shelf(), DETAILS)
    change("MUG")

    kept = Product.objects.get(sku="MUG")
    assert kept.images == [{"url": "/static/mug.svg", "alt": "A blue mug"}]
    assert (kept.description, kept.group, kept.options) == ("Holds tea.\nAnd coffee.", "MUGS", {"color": "blue"})


@pytest.mark.parametrize(
    ("start", "end", "sold"),
    [
        (None, None, True),
        (timedelta(hours=-1), None, True),
        (timedelta(hours=-1), timedelta(hours=1), True),
        (None, timedelta(hours=1), True),
        (timedelta(hours=1), None, False),
        (None, timedelta(hours=-1), False),
        (timedelta(hours=-2), timedelta(hours=-1), False),
        (timedelta(hours=1), timedelta(hours=2), False),
    ],
)
def test_outside_of_its_time_a_product_is_not_for_sale_anywhere(shelf, start, end, sold):
    sold_between(shelf(), start, end)
    order_id = uuid4()

    assert Client().get("/api/v1/products/MUG").status_code == (200 if sold else 404)
    assert len(Client().get("/api/v1/products").json()["results"]) == sold
    if sold:
        assert inventory.get_offers(skus=["MUG"])["MUG"].available == 10
        reserve(("MUG", 1), order_id=order_id)
        return
    with pytest.raises(inventory.UnknownProduct):
        inventory.get_offers(skus=["MUG"])
    with pytest.raises(inventory.UnknownProduct):
        reserve(("MUG", 1), order_id=order_id)
    with pytest.raises(inventory.UnknownProduct):
        reserve(("MUG", 1000), order_id=order_id)
    assert inventory.get_reservation(order_id=order_id) is None


def test_two_products_of_a_group_differ_in_their_options(shelf):
    change(shelf(), DETAILS)
    shelf("CUP")

    with pytest.raises(inventory.VariantTaken):
        change("CUP", DETAILS)
    with pytest.raises(inventory.VariantTaken):
        inventory.add_product(sku="BOWL", name="Bowl", price=PRICE, details=DETAILS)

    assert not Product.objects.filter(sku="BOWL").exists()
    change("CUP", inventory.Details(options=DETAILS.options))  # without a group it stands alone


@pytest.mark.parametrize(
    "wrong",
    [
        "images = '{}'",
        "options = '[]'",
        "weight_grams = -1",
        "tax_class = 'Books'",
        "variant_group = 'two words'",
        "active_from = now(), active_to = now()",
    ],
)
def test_the_database_refuses_what_no_product_can_be(shelf, wrong):
    shelf()

    with pytest.raises(IntegrityError), transaction.atomic(using=transactions.alias_for("inventory")):
        execute(f"UPDATE inventory_product SET {wrong} WHERE sku = %s", "MUG")


def test_a_product_that_is_not_there_is_not_changed(database):
    with pytest.raises(inventory.UnknownProduct, match="there is no product MUG"):
        change("MUG")
