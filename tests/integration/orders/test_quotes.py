"""Quotes over HTTP: what they tell, what they cost, and that they change nothing and give nothing away."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core import signing
from django.core.cache import caches
from django.db import connections
from django.test import Client

from inventory import api as inventory
from orders import services
from orders.models import DiscountCode, Fee, TaxRate
from orders.services import read_quote
from shipping.models import ShippingOption, ShippingRate
from shop import clock
from shop.money import Money
from tests.driver.factories import AddressFactory, ProductFactory, UserFactory
from tests.driver.shopper import Shopper
from tests.driver.tables import state


@pytest.fixture
def rules(mug: str) -> None:
    """A shop in Berlin: VAT in its prices, parcels to two countries, three codes."""
    TaxRate.objects.create(country="DE", label="VAT 19 %", percent=Decimal(19), reverse_charge=True)
    standard = ShippingOption.objects.create(
        code="standard", name="Standard delivery", days_min=2, days_max=4, position=1
    )
    express = ShippingOption.objects.create(code="express", name="Express", days_min=1, days_max=1, position=2)
    ShippingRate.objects.create(
        option=standard, countries=["DE", "AT"], currency="EUR", price_minor=490, free_from_minor=5000
    )
    ShippingRate.objects.create(option=express, countries=["DE"], currency="EUR", price_minor=1290)
    DiscountCode.objects.create(code="WELCOME10", label="Welcome: 10 % off", percent=Decimal(10))
    DiscountCode.objects.create(
        code="TENOFF", label="Ten off", amount_minor=1000, currency="EUR", minimum_minor=2500, max_uses=1
    )
    DiscountCode.objects.create(code="GONE", label="Gone", percent=Decimal(50), active=False)


def ask(*, address: str = "127.0.0.1", **body: Any) -> Any:
    wanted = {"lines": [{"sku": "MUG", "quantity": 2}], "destination": {"country": "DE"}} | body
    client = Client(REMOTE_ADDR=address)
    return client.post("/api/v1/quotes", json.dumps(wanted), content_type="application/json")


def quote(**body: Any) -> dict[str, Any]:
    answer = ask(**body)
    assert answer.status_code == 200, answer.content
    assert answer["Cache-Control"] == "no-store"
    found: dict[str, Any] = answer.json()
    return found


def problem(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def amounts(found: dict[str, Any]) -> list[tuple[str, str, int, bool]]:
    return [
        (each["kind"], each["code"], each["amount"]["amount_minor"], each["included"]) for each in found["adjustments"]
    ]


def test_a_quote_tells_what_an_order_would_cost(rules: None):
    found = quote(codes=["welcome10"])

    assert amounts(found) == [
        ("discount", "WELCOME10", -250, False),
        ("shipping", "standard", 490, False),
        ("tax", "DE", 437, True),
    ]
    assert (found["subtotal"]["amount_minor"], found["total"]["amount_minor"]) == (2500, 2740)
    assert [option["code"] for option in found["shipping_options"]] == ["standard", "express"]
    assert (found["shipping_option"], found["unavailable"], found["refused_codes"]) == ("standard", [], [])
    assert [line["total"]["amount_minor"] for line in found["lines"]] == [2740]


def test_a_shop_without_rules_quotes_the_sum_of_the_lines(mug: str):
    found = quote()

    assert (found["total"], found["adjustments"], found["shipping_options"]) == (found["subtotal"], [], [])
    assert found["shipping_option"] is None


def test_the_id_holds_what_was_quoted_and_nobody(rules: None):
    found = quote(codes=["WELCOME10", "NEVER"], shipping_option="express", vat_number="DE123456789")

    held = read_quote(found["id"])

    assert (held.lines, held.shipping_option, held.codes) == ((("MUG", 2),), "express", ("WELCOME10",))
    assert (held.for_business, held.total.minor) == (True, found["total"]["amount_minor"])
    assert services.read_quote(found["id"]).valid_until.isoformat().replace("+00:00", "Z") == found["valid_until"]
    assert "123456789" not in str(signing.loads(found["id"], salt="orders.quote"))


def test_a_quote_is_over_after_its_time(rules: None, monkeypatch: pytest.MonkeyPatch, settings: Any):
    settings.QUOTE_VALID_SECONDS = 60
    held = read_quote(quote()["id"])
    assert not held.is_over

    later = clock.now() + timedelta(seconds=61)
    monkeypatch.setattr("orders.services.quotes.now", lambda: later)

    assert held.is_over


def test_a_text_that_the_shop_did_not_sign_is_not_a_quote(rules: None):
    ours = quote()["id"]
    foreign = signing.dumps([1, [["MUG", 2]], "", [], False, 1, "EUR", 1], salt="elsewhere")
    of_a_later_release = signing.dumps([2, [["MUG", 2]], "", [], False, 1, "EUR", 1], salt="orders.quote")
    another_shape = signing.dumps("MUG", salt="orders.quote")

    for text in (
        "",
        "x",
        "a:b:c",
        ours[:-1],
        ours + "x",
        "." + ours,
        ours.upper(),
        foreign,
        of_a_later_release,
        another_shape,
    ):
        with pytest.raises(services.QuoteNotValid):
            read_quote(text)
    assert read_quote(ours).lines == (("MUG", 2),)


@pytest.mark.makes_facts_up
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("NEVER", "unknown"),
        ("gone", "unknown"),
        ("NOTYET", "not_yet_valid"),
        ("PAST", "expired"),
        ("BOOKS", "other_products"),
        ("DOLLARS", "other_currency"),
        ("BIG", "below_minimum"),
        ("FULL", "used_up"),
    ],
)
def test_a_code_that_does_not_apply_is_told_with_its_reason(rules: None, code: str, reason: str):
    percent = {"label": "Half", "percent": Decimal(50)}
    DiscountCode.objects.create(code="NOTYET", starts_at=clock.now() + timedelta(hours=1), **percent)
    DiscountCode.objects.create(code="PAST", ends_at=clock.now() - timedelta(hours=1), **percent)
    DiscountCode.objects.create(code="BOOKS", categories=["books"], **percent)
    DiscountCode.objects.create(code="DOLLARS", currency="USD", amount_minor=100, label="A dollar")
    DiscountCode.objects.create(code="BIG", currency="EUR", minimum_minor=2501, **percent)
    DiscountCode.objects.create(code="FULL", max_uses=3, held=1, used=2, **percent)

    found = quote(codes=[code])

    assert [(each["code"], each["reason"]) for each in found["refused_codes"]] == [(code.upper(), reason)]
    assert found["refused_codes"][0]["detail"]
    assert found["total"]["amount_minor"] == 2990


def test_a_code_that_takes_less_than_a_cent_off_is_told_and_not_in_the_quote(rules: None):
    DiscountCode.objects.create(code="CRUMB", label="A crumb", percent=Decimal("0.001"))

    found = quote(codes=["CRUMB", "TENOFF"])

    assert [(each["code"], each["reason"]) for each in found["refused_codes"]] == [("CRUMB", "below_minimum")]
    assert amounts(found) == amounts(quote(codes=["TENOFF"]))
    assert read_quote(found["id"]).codes == ("TENOFF",)


def test_the_order_in_which_codes_are_typed_changes_nothing(rules: None):
    one, other = quote(codes=["TENOFF", "WELCOME10"]), quote(codes=["WELCOME10", "tenoff", "TENOFF"])

    assert amounts(one) == amounts(other)
    assert [(code, amount) for _kind, code, amount, _included in amounts(one)][:2] == [
        ("WELCOME10", -250),
        ("TENOFF", -1000),
    ]


def test_what_cannot_be_had_is_told_beside_the_price_of_the_rest(rules: None):
    ProductFactory(sku="BOOK", stock=1)
    inventory.change_product(sku="BOOK", name="Book", price=Money(1000, "EUR"), active=False)

    found = quote(lines=[{"sku": sku, "quantity": wanted} for sku, wanted in (("MUG", 99), ("BOOK", 1), ("NEVER", 1))])

    assert [(each["sku"], each["wanted"], each["reason"]) for each in found["unavailable"]] == [
        ("MUG", 99, "not_enough"),
        ("BOOK", 1, "not_for_sale"),
        ("NEVER", 1, "not_for_sale"),
    ]
    assert [line["sku"] for line in found["lines"]] == ["MUG"]
    assert read_quote(found["id"]).lines == (("MUG", 99), ("BOOK", 1), ("NEVER", 1))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"lines": [{"sku": "NEVER", "quantity": 1}]}, (422, "nothing_for_sale")),
        ({"destination": {"country": "FR"}}, (422, "no_shipping_there")),
        ({"destination": {"country": "AT"}, "shipping_option": "express"}, (422, "shipping_option_not_offered")),
        ({"destination": {"country": "XX"}}, (400, "invalid_request")),
        ({"destination": {}}, (400, "invalid_request")),
        ({"lines": []}, (400, "invalid_request")),
        ({"codes": ["A"] * 6}, (400, "invalid_request")),
        ({"codes": ["A" * 41]}, (400, "invalid_request")),
        ({"codes": "WELCOME10"}, (400, "invalid_request")),
        ({"vat_number": "DE1"}, (400, "invalid_request")),
        ({"total": 1}, (400, "invalid_request")),
    ],
)
def test_what_has_no_price_is_refused(rules: None, body: dict[str, Any], expected: tuple[int, str]):
    assert problem(ask(**body)) == expected


def test_a_country_in_full_is_told_how_to_be_written():
    answer = ask(destination={"country": "Portugal"})

    (error,) = answer.json()["errors"]
    assert (error["pointer"], error["detail"].endswith("Write it like PT.")) == ("#/destination/country", True)


def test_what_is_free_of_shipping_and_what_a_business_pays(rules: None):
    five = [{"sku": "MUG", "quantity": 5}]

    assert ("shipping", "standard", 0, False) in amounts(quote(lines=five))
    assert amounts(quote(lines=five, vat_number="DE 123 456 789"))[-1] == ("tax", "DE", -998, False)


def test_a_fee_and_a_change_of_rules_are_charged_by_the_process_that_wrote_them(rules: None):
    before = quote()["total"]["amount_minor"]

    Fee.objects.create(code="SMALL", label="Small order", amount_minor=150, currency="EUR", below_minor=3000)

    assert quote()["total"]["amount_minor"] == before + 150


class Statements:
    """Counts what is asked of any database."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        self.seen.append(str(sql))
        return execute(sql, params, many, context)

    def of(self, call: Callable[[], object]) -> int:
        managers = [connection.execute_wrapper(self) for connection in connections.all()]
        for manager in managers:
            manager.__enter__()
        try:
            call()
        finally:
            for manager in managers:
                manager.__exit__(None, None, None)
        return len(self.seen)


def test_a_quote_costs_one_statement_and_one_more_with_codes(rules: None):
    quote()

    assert Statements().of(quote) == 1
    assert Statements().of(lambda: quote(codes=["WELCOME10", "NEVER"])) == 2


def test_a_quote_changes_nothing(rules: None):
    before = state()

    quote(codes=["WELCOME10", "TENOFF"])

    assert state() == before


def test_whoever_is_signed_in_is_answered_as_everybody_is(rules: None):
    body = {"lines": [{"sku": "MUG", "quantity": 2}], "destination": {"country": "DE"}}

    answer = Shopper(UserFactory()).post("quotes", body, key=str(uuid.uuid4()))

    assert answer.json()["total"] == quote()["total"]


@pytest.mark.parametrize("region", ["Nowhere", "N.Y.C."])
def test_neither_a_quote_nor_an_order_is_untaxed_since_its_region_is_not_known(mug: str, region: str):
    TaxRate.objects.create(country="US", region="NY", label="Sales tax", percent=Decimal("8.875"), included=False)
    lines, shopper = [{"sku": "MUG", "quantity": 1}], Shopper(UserFactory())
    asked = shopper.post("quotes", {"lines": lines, "destination": {"country": "US", "region": region}})
    placed = shopper.place(shipping_address=AddressFactory(country="US", region=region))

    for answer in (asked, placed):
        assert problem(answer) == (422, "region_not_known")
        assert answer.json()["facts"]["country"] == "US"
        assert "NY" in answer.json()["facts"]["regions"]
    taxed = shopper.place(shipping_address=AddressFactory(country="US", region="New York"))
    assert (taxed.status_code, taxed.json()["adjustments"][0]["code"]) == (201, "US:NY")
    assert taxed.json()["shipping_address"]["region"] == "New York"


@pytest.fixture
def two_wrong_codes(settings: Any) -> None:
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {
        "DEFAULT_THROTTLE_RATES": {"customer": None, "anonymous": None, "wrong_codes": "2/min"}
    }
    for cache in caches.all():
        cache.clear()
    caches["default"].clear()


def test_whoever_guesses_codes_is_stopped_and_the_others_are_not(rules: None, two_wrong_codes: None):
    for _guess in range(2):
        assert ask(codes=["NEVER"]).status_code == 200

    stopped = ask(codes=["WELCOME10"])

    assert problem(stopped) == (429, "throttled")
    assert 0 < int(stopped["Retry-After"]) <= 60
    assert ask().status_code == 200
    assert ask(codes=["WELCOME10"], address="192.0.2.1").status_code == 200


def test_codes_that_exist_are_not_guesses(rules: None, two_wrong_codes: None):
    for _time in range(4):
        assert ask(codes=["WELCOME10"]).status_code == 200


def test_an_order_in_a_currency_of_three_decimals_is_charged_with_its_tax_and_discount(
    shopper: Shopper,
):
    inventory.add_product(sku="LAMP", name="Lamp", price=Money(12340, "KWD"))
    inventory.receive_stock(sku="LAMP", quantity=5, reference="delivery 1")
    TaxRate.objects.create(country="KW", label="VAT 5 %", percent=Decimal(5), included=False)
    DiscountCode.objects.create(code="THIRD", label="A third off", percent=Decimal("33.333"))
    address = AddressFactory(country="KW")

    answer = shopper.place(sku="LAMP", shipping_address=address, codes=["THIRD"])

    assert answer.status_code == 201, answer.content
    found = answer.json()
    assert found["status"] == "CONFIRMED"
    # 12.340 less 4.11(3) is 8.230, and 5 % of that 0.41(2).
    assert (found["total"]["amount_minor"], found["payment"]["captured"]["amount_minor"]) == (8640, 8640)
