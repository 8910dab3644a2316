"""An order by a quote costs what its customer was shown, or is answered with a new quote."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from inventory import api as inventory
from orders.models import DiscountCode, Order
from orders.pricing.rules import NO_RULES, Rules, TaxRule
from orders.queries import RULES
from orders.services import quotes
from shipping.queries import OPTIONS
from shipping.rules import Option, Rate
from shop.clock import now
from shop.money import Money
from tests.driver.factories import AddressFactory
from tests.driver.provider import Provider
from tests.driver.shopper import Shopper, id_in
from tests.driver.tables import execute


@pytest.fixture(autouse=True)
def rules() -> Iterator[None]:
    """Let the shop ship in two ways, and tax what goes to Portugal."""
    RULES.put(Rules(taxes=(TaxRule(country="PT", label="IVA", percent=Decimal(23), included=False),)))
    rate = Rate(
        countries=frozenset(), min_weight_grams=0, max_weight_grams=None, price=Money(495, "EUR"), free_from=None
    )
    OPTIONS.put(
        tuple(
            Option(
                code=code, name=code.title(), days_min=1, days_max=3, position=0, active=True,
                rates=(replace(rate, price=Money(minor, "EUR")),),
            )
            for code, minor in (("standard", 495), ("express", 1295))
        )
    )  # fmt: skip
    yield
    RULES.put(NO_RULES)
    OPTIONS.put(())


def quoted(shopper: Shopper, *, country: str = "PT", **more: Any) -> dict[str, Any]:
    wanted = {"lines": [{"sku": "MUG", "quantity": 2}], "destination": {"country": country}} | more
    answer = shopper.post("quotes", wanted)
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def order_by(shopper: Shopper, quote: dict[str, Any], *, key: str = "", **more: Any) -> Any:
    body = {"quote": quote["id"], "shipping_address": AddressFactory(), "payment_method": "pm_card_visa"} | more
    return shopper.post("orders", body, key=key)


def test_an_order_by_a_quote_is_what_was_quoted(shopper: Shopper, sandbox: Provider):
    DiscountCode.objects.create(code="TEN", label="10 % off", percent=10)
    quote = quoted(shopper, shipping_option="express", codes=["ten"])

    answer = order_by(shopper, quote)

    told = answer.json()
    assert answer.status_code == 201
    assert (told["total"], told["subtotal"], told["adjustments"]) == (
        quote["total"], quote["subtotal"], quote["adjustments"],
    )  # fmt: skip
    assert [line["total"] for line in told["lines"]] == [line["total"] for line in quote["lines"]]
    assert sandbox.money(id_in(answer)) == (1, quote["total"]["amount_minor"])


def test_a_price_that_has_changed_is_409_with_a_new_quote_by_which_one_can_order(shopper: Shopper):
    quote = quoted(shopper)
    inventory.change_product(sku="MUG", name="The mug", price=Money(2000, "EUR"), active=True)

    answer = order_by(shopper, quote)

    facts = answer.json()["facts"]
    assert (answer.status_code, answer.json()["code"]) == (409, "total_changed")
    assert (facts["expected_total"], facts["total"]) == (quote["total"], facts["quote"]["total"])
    assert Order.objects.count() == 0
    assert order_by(shopper, facts["quote"]).json()["total"] == facts["total"]


def test_another_place_than_was_quoted_is_409_where_it_costs_something_else(shopper: Shopper):
    quote = quoted(shopper, country="DE")

    answer = order_by(shopper, quote)

    assert (answer.status_code, answer.json()["code"]) == (409, "total_changed")
    assert answer.json()["facts"]["quote"]["adjustments"][-1]["kind"] == "tax"


def test_a_quote_whose_time_is_over_is_409_with_a_new_one(shopper: Shopper, monkeypatch: pytest.MonkeyPatch):
    quote = quoted(shopper)
    monkeypatch.setattr(quotes, "now", lambda: now() + timedelta(days=1))

    answer = order_by(shopper, quote)

    facts = answer.json()["facts"]
    assert (answer.status_code, answer.json()["code"]) == (409, "total_changed")
    assert (facts["total"], facts["quote"]["total"]) == (quote["total"], quote["total"])
    assert order_by(shopper, facts["quote"]).status_code == 201


def test_what_was_ordered_by_a_quote_is_told_again_after_its_time(shopper: Shopper, monkeypatch: pytest.MonkeyPatch):
    quote = quoted(shopper)
    first = order_by(shopper, quote, key="one-key-for-the-quote")
    execute("shop", "DELETE FROM shop_idempotencykey")
    monkeypatch.setattr(quotes, "now", lambda: now() + timedelta(days=1))

    again = order_by(shopper, quote, key="one-key-for-the-quote")

    assert (again.status_code, id_in(again)) == (201, id_in(first))


def test_an_expected_total_is_compared_beside_the_quote(shopper: Shopper):
    quote = quoted(shopper)

    answer = order_by(shopper, quote, expected_total={"amount_minor": 1, "currency": "EUR"})

    assert (answer.status_code, answer.json()["facts"]["quote"]["total"]) == (409, quote["total"])


@pytest.mark.parametrize(
    "twice", [{"lines": [{"sku": "MUG", "quantity": 1}]}, {"shipping_option": "express"}, {"codes": ["TEN"]}]
)
def test_what_the_quote_says_is_not_said_twice(twice: dict[str, Any], shopper: Shopper):
    answer = order_by(shopper, quoted(shopper), **twice)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, f"#/{next(iter(twice))}")


def test_an_order_wants_lines_or_a_quote(shopper: Shopper):
    answer = shopper.post("orders", {"shipping_address": AddressFactory()})

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "#/lines")


def test_what_is_not_a_quote_of_this_shop_is_422(shopper: Shopper):
    answer = order_by(shopper, {"id": "WzFd:1vTexW:forged"})

    assert (answer.status_code, answer.json()["code"]) == (422, "quote_not_valid")
