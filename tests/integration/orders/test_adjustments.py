"""An order keeps what it was told: each discount, fee and tax and the shipping as they were, shared out to its lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.db import IntegrityError

from orders.models import Adjustment, DiscountCode, Order
from orders.pricing.rules import NO_RULES, FeeRule, Rules, TaxRule
from orders.queries import RULES, find_orders, get_order
from orders.services import personal
from shipping.queries import OPTIONS
from shipping.rules import Option, Rate
from shop.money import Money
from tests.driver.factories import AddressFactory, ProductFactory, UserFactory
from tests.driver.mails import html_of, text_of
from tests.driver.provider import Provider
from tests.driver.shopper import Shopper, id_in
from tests.driver.tables import execute


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def tax(percent: str, *, included: bool, country: str = "PT", reverse_charge: bool = False) -> TaxRule:
    return TaxRule(
        country=country, label=f"VAT {percent} %", percent=Decimal(percent), included=included,
        reverse_charge=reverse_charge,
    )  # fmt: skip


def way(code: str, minor: int, *countries: str) -> Option:
    rate = Rate(
        price=eur(minor), countries=frozenset(countries), min_weight_grams=0, max_weight_grams=None, free_from=None
    )
    return Option(
        code=code, name=f"{code.title()} delivery", days_min=1, days_max=3, position=0, active=True, rates=(rate,)
    )


SMALL = FeeRule(code="SMALL_ORDER", label="Small order fee", amount=eur(100), below=eur(10_000))


@pytest.fixture(autouse=True)
def rules() -> Iterator[None]:
    """Let the shop ship for money, ask a fee for small orders and tax what goes to Portugal, on top of its prices."""
    RULES.put(Rules(taxes=(tax("23.000", included=False),), fees=(SMALL,)))
    OPTIONS.put((way("standard", 495), way("express", 1295, "PT")))
    yield
    RULES.put(NO_RULES)
    OPTIONS.put(())


def test_an_order_tells_each_adjustment_and_each_line_its_exact_price(shopper: Shopper, sandbox: Provider):
    cup = ProductFactory(sku="CUP", price=eur(333))

    lines = [{"sku": "MUG", "quantity": 1}, {"sku": cup, "quantity": 2}]
    answer = shopper.place(lines=lines)
    order_id = id_in(answer)

    told = answer.json()
    assert answer.status_code == 201
    assert [
        (each["kind"], each["label"], each["code"], each["rate"], each["amount"]["amount_minor"], each["included"])
        for each in told["adjustments"]
    ] == [
        ("shipping", "Standard delivery", "standard", None, 495, False),
        ("fee", "Small order fee", "SMALL_ORDER", None, 100, False),
        ("tax", "VAT 23.000 %", "PT", "23.00", 578, False),
    ]
    assert (told["subtotal"]["amount_minor"], told["total"]["amount_minor"]) == (1916, 3089)
    assert sum(line["total"]["amount_minor"] for line in told["lines"]) == 3089
    assert [line["line_total"]["amount_minor"] for line in told["lines"]] == [1250, 666]
    assert sandbox.money(order_id) == (1, 3089)
    assert shopper.order(order_id) == told


def test_it_is_the_same_whoever_reads_it(shopper: Shopper):
    order_id = id_in(shopper.place(quantity=3))

    (listed,) = shopper.get("orders").json()["results"]

    assert listed == shopper.order(order_id)
    assert find_orders(order_ids=[order_id]) == {order_id: get_order(order_id=order_id)}
    assert get_order(order_id=order_id).line_totals == (get_order(order_id=order_id).total,)


def test_what_was_told_stays_when_the_rules_change(shopper: Shopper):
    answer = shopper.place()
    RULES.put(Rules(taxes=(tax("99.000", included=True),)))
    OPTIONS.put(())

    assert shopper.order(id_in(answer)) == answer.json()


def test_a_tax_that_the_prices_contain_is_told_and_not_added(shopper: Shopper):
    RULES.put(Rules(taxes=(tax("23.000", included=True),)))
    OPTIONS.put(())

    told = shopper.place().json()

    assert told["total"] == told["subtotal"] == told["lines"][0]["total"]
    assert (told["adjustments"][0]["included"], told["adjustments"][0]["amount"]["amount_minor"]) == (True, 234)


def test_a_business_with_a_vat_number_owes_the_tax_itself(shopper: Shopper):
    RULES.put(Rules(taxes=(tax("23.000", included=True, reverse_charge=True),)))
    OPTIONS.put(())

    told = shopper.place(vat_number="PT502011378").json()

    assert (told["total"]["amount_minor"], told["adjustments"][0]["amount"]["amount_minor"]) == (1016, -234)
    assert told["adjustments"][0]["label"] == "VAT 23.000 % (reverse charge)"


def test_a_customer_chooses_how_the_parcel_travels(shopper: Shopper):
    told = shopper.place(shipping_option="express").json()

    assert (told["adjustments"][0]["code"], told["adjustments"][0]["amount"]["amount_minor"]) == ("express", 1295)


@pytest.mark.parametrize(
    ("option", "country", "code"),
    [("tomorrow", "PT", "shipping_option_not_offered"), ("express", "US", "shipping_option_not_offered")],
)
def test_a_way_that_is_not_offered_there_is_422(option: str, country: str, code: str, shopper: Shopper):
    answer = shopper.place(shipping_option=option, shipping_address=AddressFactory(country=country, region="NY"))

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert Order.objects.count() == 0


def test_a_country_to_which_nothing_travels_is_422(shopper: Shopper):
    OPTIONS.put((way("express", 1295, "PT"),))

    answer = shopper.place(shipping_address=AddressFactory(country="US", region="NY"))

    assert (answer.status_code, answer.json()["code"]) == (422, "no_shipping_there")


def test_the_expected_total_is_the_whole_price(shopper: Shopper):
    told = shopper.place(expected_total={"amount_minor": 2269, "currency": "EUR"})
    wrong = shopper.place(expected_total={"amount_minor": 1250, "currency": "EUR"})

    assert (told.status_code, told.json()["total"]["amount_minor"]) == (201, 2269)
    assert (wrong.status_code, wrong.json()["facts"]["total"]["amount_minor"]) == (409, 2269)


def test_the_mail_names_what_was_added(shopper: Shopper, drain: Callable[[], None]):
    shopper.place()
    drain()

    confirmation = mail.outbox[-1]
    for words in ("Subtotal: €12.50", "Standard delivery: €4.95", "Small order fee: €1.00", "VAT 23.000 %: €4.24"):
        assert words in text_of(confirmation)
    assert "Standard delivery" in html_of(confirmation)


def test_they_are_only_ever_added(shopper: Shopper):
    order_id = id_in(shopper.place())

    for change in ("UPDATE orders_adjustment SET label = 'Free' WHERE order_id = %s", "DELETE FROM orders_adjustment WHERE order_id = %s"):  # fmt: skip
        with pytest.raises(IntegrityError, match="append-only"):
            execute("orders", change, order_id)


def test_a_key_that_is_sent_again_adds_nothing(shopper: Shopper):
    first = shopper.place(key="the-same-key-again")
    OPTIONS.put((way("standard", 5),))
    again = shopper.place(key="the-same-key-again")

    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert Adjustment.objects.count() == 3


def test_they_are_exported_with_their_order_and_stay_when_its_person_is_erased(shopper: Shopper):
    order_id = id_in(shopper.place(payment_method="pm_card_chargeDeclinedStolenCard"))

    exported = personal.export([order_id])
    personal.erase([order_id], whole=True)

    assert [row["label"] for row in exported["adjustments"]] == ["Standard delivery", "Small order fee", "VAT 23.000 %"]
    assert Adjustment.objects.filter(order=order_id).count() == 3


def test_staff_see_them(shopper: Shopper, client: Any):
    order_id = id_in(shopper.place())
    client.force_login(UserFactory(is_staff=True, is_superuser=True))

    page = client.get(f"/admin/orders/order/{order_id}/change/").content.decode()

    assert "Small order fee" in page


def test_vendure_989_medusa_13066_a_cancel_returns_shipping_fee_and_their_tax(shopper: Shopper, sandbox: Provider):
    order_id = id_in(shopper.place())

    assert shopper.cancel(order_id).json()["status"] == "REFUNDED"
    assert sandbox.money(order_id) == (1, 0)


def test_solidus_512_a_cancel_returns_what_the_discount_left(shopper: Shopper, sandbox: Provider):
    DiscountCode.objects.create(code="HALF", label="Half", percent=50)
    order_id = id_in(shopper.place(codes=["HALF"]))
    assert sandbox.money(order_id) == (1, shopper.order(order_id)["total"]["amount_minor"])

    shopper.cancel(order_id)

    refunded = shopper.order(order_id)["payment"]["refunded"]["amount_minor"]
    assert (refunded, sandbox.money(order_id)) == (shopper.order(order_id)["total"]["amount_minor"], (1, 0))
    assert refunded < 1250 + 495 + 100
