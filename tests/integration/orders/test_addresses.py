"""What an address needs depends on its country: the API insists on it for new orders, and reads old ones as they are."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from orders.models import Contact, Order, TaxRate
from tests.driver.factories import AddressFactory
from tests.driver.shopper import Shopper, id_in


@pytest.mark.parametrize(
    ("address", "missing"),
    [
        ({"country": "PT", "postal_code": ""}, ["postal_code"]),
        ({"country": "US", "region": ""}, ["region"]),
        ({"country": "US", "region": " ", "postal_code": " "}, ["postal_code", "region"]),
    ],
)
@pytest.mark.parametrize("which", ["shipping_address", "billing_address"])
def test_an_address_without_what_its_country_needs_is_refused(
    shopper: Shopper, which: str, address: dict[str, str], missing: list[str]
):
    body: dict[str, Any] = {which: AddressFactory(**address)}
    answer = shopper.place(**body)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert sorted(each["pointer"] for each in answer.json()["errors"]) == [f"#/{which}/{name}" for name in missing]
    assert {each["detail"] for each in answer.json()["errors"]} == {f"An address in {address['country']} needs this."}
    assert not Order.objects.exists()


@pytest.mark.parametrize(
    "address",
    [
        {"country": "IE", "postal_code": ""},
        {"country": "PT"},
        {"country": "US", "region": "NY", "postal_code": "10001"},
        {"country": "AE", "region": "Dubai", "postal_code": ""},
    ],
)
def test_an_address_with_what_its_country_needs_is_taken(shopper: Shopper, address: dict[str, str]):
    answer = shopper.place(shipping_address=AddressFactory(**address), billing_address=AddressFactory(**address))

    assert answer.status_code == 201, answer.content


def test_an_order_of_an_earlier_release_is_read_without_what_it_lacks(shopper: Shopper):
    order_id = id_in(shopper.place())
    Contact.objects.filter(order=order_id).update(country="US", region="", postal_code="")

    assert shopper.order(order_id)["shipping_address"]["region"] == ""
    assert shopper.get("orders").json()["results"][0]["shipping_address"]["postal_code"] == ""
    assert shopper.cancel(order_id).status_code == 200


def test_an_order_names_a_region_where_taxes_depend_on_it_and_a_quote_need_not(shopper: Shopper):
    TaxRate.objects.create(country="PT", region="20", label="Azores", percent=Decimal(16), included=True)
    lines = [{"sku": "MUG", "quantity": 1}]

    quoted = shopper.post("quotes", {"lines": lines, "destination": {"country": "PT"}})
    refused = shopper.place(shipping_address=AddressFactory(country="PT"))
    taken: Any = shopper.place(shipping_address=AddressFactory(country="PT", region="Lisboa"))

    assert quoted.status_code == 200
    assert (refused.status_code, refused.json()["code"]) == (422, "region_not_known")
    assert refused.json()["detail"].startswith("The taxes of PT differ by region")
    assert "20" in refused.json()["facts"]["regions"]
    assert taken.status_code == 201
