"""The demo shop's pictures: they are there, small, and hold nothing but shapes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import shop
from inventory.catalogue import Details, Image, checked_details
from local.demo import data as demo_data

PICTURES = Path(shop.__file__).parent / "storefront" / "static" / "storefront" / "products"


def test_each_product_has_a_picture_and_each_picture_a_product():
    assert {product.picture for product in demo_data.PRODUCTS} == {file.name for file in PICTURES.iterdir()}


@pytest.mark.parametrize("picture", sorted({product.picture for product in demo_data.PRODUCTS}))
def test_a_picture_is_small_and_holds_shapes_only(picture: str):
    text = (PICTURES / picture).read_text()

    assert len(text) < 3000
    assert set(re.findall(r"<(\w+)", text)) <= {"svg", "rect", "circle", "ellipse", "path", "g"}
    assert not re.search(r"\bon\w+=|href|url\(", text)


@pytest.mark.parametrize("product", demo_data.PRODUCTS, ids=lambda product: product.sku)
def test_what_is_told_of_a_product_is_kept_as_it_is(product: demo_data.DemoProduct):
    told = Details(
        description=product.description,
        images=(Image(f"{demo_data.PICTURES}/{product.picture}", product.alt),),
        category=product.category,
        group=product.group,
        options=product.options,
        weight_grams=product.weight_grams,
    )

    assert checked_details(told) == told
