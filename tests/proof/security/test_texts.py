"""Texts that people write, through every way in: one rule, whoever writes and wherever it is kept."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail
from django.test import Client

from inventory import api as inventory
from inventory.models import Product
from orders.models import Contact
from shop.models import User
from shop.money import Money
from tests.driver.factories import AddressFactory
from tests.driver.shopper import Shopper, id_in
from tests.driver.tables import state
from tests.proof.security.people import People

JAPANESE = "\u5c71\u7530\u3000\u592a\u90ce"
PERSIAN = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
BROKEN = ["A\nB", "A\u2028B", "A\u202eB", "A\x07B"]


def test_names_and_addresses_are_kept_as_they_were_meant(shopper: Shopper):
    address = AddressFactory(name=JAPANESE, line1=f"{PERSIAN} 5", line2=f"c/o {FAMILY}", city="Saint\u00a0Denis")

    answer = shopper.place(shipping_address=address, email="\u3000ada@shop.example")

    assert answer.status_code == 201, answer.content
    kept = answer.json()["shipping_address"]
    assert kept["name"] == "\u5c71\u7530 \u592a\u90ce"
    assert (kept["line1"], kept["line2"], kept["city"]) == (f"{PERSIAN} 5", f"c/o {FAMILY}", "Saint Denis")
    assert Contact.objects.get(order_id=id_in(answer)).email == "ada@shop.example"


@pytest.mark.parametrize("blank", ["\u3000", "\u200d", "\u3164", "\u00ad\u200b"])
def test_a_name_of_which_nothing_is_seen_is_blank(blank: str, shopper: Shopper):
    answer = shopper.place(shipping_address=AddressFactory(name=blank))

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "#/shipping_address/name")


@pytest.mark.parametrize("broken", BROKEN)
def test_a_product_s_name_is_one_line(broken: str, mug: str):
    for call in (inventory.add_product, inventory.change_product):
        with pytest.raises(inventory.InvalidProduct):
            call(
                sku="NEW" if call is inventory.add_product else mug, name=broken, price=Money(1250, "EUR"), active=True
            )

    assert list(Product.objects.values_list("sku", flat=True)) == [mug]


def test_a_product_s_name_loses_its_odd_spaces_and_goes_into_the_mail(shopper: Shopper, drain: Any):
    inventory.change_product(sku="MUG", name=f"\u3000Mug\u00a0{FAMILY} ", price=Money(1250, "EUR"), active=True)

    shopper.place()
    drain()

    assert Product.objects.get().name == f"Mug {FAMILY}"
    assert f"Mug {FAMILY}" in str(mail.outbox[0].body)


def test_no_form_of_the_admin_takes_a_text_of_two_lines(people: People):
    from django.urls import reverse

    from shipping.models import Shipment

    browser, before = people.browsers["staff with permission"], state()
    product, shipment = Product.objects.get(), Shipment.objects.get()
    for broken in BROKEN[1:]:  # a browser's field of one line leaves line feeds out by itself
        for page, form in (
            (reverse("admin:inventory_product_receive", args=[product.pk]), {"quantity": 1, "reference": broken}),
            (reverse("admin:inventory_product_write_off", args=[product.pk]), {"quantity": 1, "reference": broken}),
            (
                reverse("admin:inventory_product_edit", args=[product.pk]),
                {"name": broken, "price": "1", "currency": "EUR"},
            ),
            (
                reverse("admin:orders_order_refund_one", args=[people.order_id]),
                {"amount": 1, "reason": broken},
            ),
            (
                reverse("admin:shipping_shipment_dispatch_one", args=[shipment.pk]),
                {"carrier": broken, "tracking_number": "T1"},
            ),
        ):
            answer = browser.post(page, form | {"_form_submitted": "on"})
            assert "one line of text" in answer.content.decode(), (page, broken)

    assert state() == before


@pytest.mark.parametrize("address", ["ada@localhost", "ada@[127.0.0.1]", "ada@sh\u202eop.example"])
def test_nobody_signs_up_or_orders_with_an_address_that_no_mail_reaches(address: str, shopper: Shopper):
    signed_up = Client().post(
        "/_allauth/app/v1/auth/signup",
        {"email": address, "password": "correct horse battery"},
        content_type="application/json",
    )
    ordered = shopper.place(email=address)

    assert (signed_up.status_code, ordered.status_code) == (400, 400)
    assert User.objects.count() == 1
