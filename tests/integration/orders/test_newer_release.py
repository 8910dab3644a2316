"""While a release is rolled out, the one before meets statuses that it does not know: it passes them on."""

from __future__ import annotations

import pytest

from orders.models import Order
from shop.audit import violations
from tests import contract
from tests.driver.shopper import Shopper, id_in

pytestmark = pytest.mark.makes_facts_up


@pytest.fixture
def order_of_a_newer_release(shopper: Shopper) -> str:
    order_id = id_in(shopper.place())
    # By nobody's leave: this release has no such move.
    Order.objects.filter(pk=order_id).update(status="RETURNED")
    return str(order_id)


def test_a_status_of_a_newer_release_is_shown_as_it_is(shopper: Shopper, order_of_a_newer_release: str) -> None:
    alone = shopper.get(f"orders/{order_of_a_newer_release}")
    listed = shopper.get("orders")

    assert (alone.status_code, alone.json()["status"]) == (200, "RETURNED")
    assert [each["status"] for each in listed.json()["results"]] == ["RETURNED"]
    contract.noted.clear()  # the description is of this release


def test_the_audit_names_a_status_that_there_is_not(order_of_a_newer_release: str) -> None:
    told = [found.detail for found in violations() if found.promise == "I9"]

    assert any("RETURNED" in detail for detail in told)
