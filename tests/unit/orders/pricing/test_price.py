"""What an order costs: the laws of its parts over any basket, and the faults that others have had, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orders.pricing.basket import Basket, Destination, Item
from orders.pricing.price import WhyNot, apply_discounts, price, why_not
from orders.pricing.priced import AdjustmentKind, Priced
from orders.pricing.rules import NO_RULES, DiscountRule, FeeRule, Rules, Shipping, TaxRule
from orders.pricing.sharing import round_half_up, share_out
from shop.money import Money
from tests.proof.report import sized
from tests.unit.orders.pricing.baskets import drawn_baskets, drawn_rules, item, vat

GERMANY = Destination(country="DE")
PARCEL = Shipping(code="parcel", name="Parcel", price=Money(490, "EUR"))
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
# `PROVE=full pytest -n 2 tests/unit/orders/pricing` tries each law on a hundred thousand baskets, in parts.
PARTS, BASKETS = sized(slice=(1, 100), short=(1, 2_000), full=(10, 10_000))


def _price(
    *items: Item,
    codes: tuple[DiscountRule, ...] = (),
    shipping: Shipping | None = None,
    rules: Rules = NO_RULES,
    destination: Destination = GERMANY,
    vat_number: str = "",
) -> Priced:
    basket = Basket(items=items, destination=destination, vat_number=vat_number)
    return price(apply_discounts(basket, codes), shipping=shipping, rules=rules)


def _amounts(priced: Priced) -> list[tuple[str, int]]:
    return [(str(each.kind), each.amount.minor) for each in priced.adjustments]


def _adds_up(priced: Priced) -> None:
    assert sum(total.minor for total in priced.line_totals) == priced.total.minor
    for each in priced.adjustments:
        assert sum(each.shares) == each.amount.minor
    assert all(total.minor >= 0 for total in priced.line_totals)


def _takes_no_more_off_than_the_goods_cost(priced: Priced) -> None:
    off = -sum(each.amount.minor for each in priced.adjustments if each.kind == AdjustmentKind.DISCOUNT)
    assert 0 <= off <= priced.subtotal.minor


def _on_any(baskets: st.SearchStrategy[Any], law: Callable[[Any], None]) -> None:
    settings(max_examples=BASKETS, deadline=None)(given(baskets)(law))()


@pytest.mark.parametrize("part", range(PARTS))
def test_the_parts_add_up_to_the_whole(part: int) -> None:
    _on_any(drawn_baskets(part), _adds_up)


@pytest.mark.parametrize("part", range(PARTS))
def test_no_discount_takes_more_than_the_goods_cost(part: int) -> None:
    _on_any(drawn_baskets(part), _takes_no_more_off_than_the_goods_cost)


@given(st.integers(-(10**9), 10**9), st.lists(st.integers(0, 10**6), min_size=1, max_size=50))
def test_shares_are_exact_to_the_unit(amount: int, weights: list[int]) -> None:
    shares = share_out(amount, weights)
    assert sum(shares) == amount
    whole = sum(weights) or len(weights)
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share - Fraction(amount * (weight if any(weights) else 1), whole)) < 1


def test_a_shop_without_rules_sells_at_the_sum_of_lines() -> None:
    priced = _price(item(1999, quantity=2), item(1))
    assert (priced.total, priced.adjustments) == (Money(3999, "EUR"), ())


def test_contained_and_added_taxes() -> None:
    contained = _price(item(11900), rules=Rules(taxes=(vat("19"),)))
    assert (contained.total.minor, _amounts(contained)) == (11900, [("tax", 1900)])
    added = _price(item(10000), rules=Rules(taxes=(vat("19", included=False),)))
    assert (added.total.minor, _amounts(added)) == (11900, [("tax", 1900)])


def test_a_price_that_contains_two_taxes_contains_each_of_the_one_net_price() -> None:
    rules = Rules(
        taxes=(
            TaxRule(country="CA", label="GST", percent=Decimal(5), included=True),
            TaxRule(country="CA", region="QC", label="QST", percent=Decimal(10), included=True),
        )
    )
    quebec = Destination(country="CA", region="QC")
    assert _amounts(_price(item(11500), rules=rules, destination=quebec)) == [("tax", 500), ("tax", 1000)]
    assert _amounts(_price(item(10500), rules=rules, destination=Destination(country="CA"))) == [("tax", 500)]


def _taxes_by_each_rule(drawn: tuple[tuple[Item, ...], tuple[TaxRule, ...]]) -> None:
    lines, taxes = drawn
    priced = _price(*lines, rules=Rules(taxes=taxes))

    for included in (True, False):
        exact, count = Fraction(0), 0
        for line in lines:
            on_it = [tax for tax in taxes if tax.tax_class == line.tax_class]
            charged = [Fraction(tax.percent) / 100 for tax in on_it if tax.included is included]
            contained = sum(Fraction(tax.percent) / 100 for tax in on_it if tax.included)
            exact += line.price.minor * sum(charged, Fraction(0)) / (1 + contained)
            count += len(charged)
        told = sum(each.amount.minor for each in priced.adjustments if each.included is included)
        assert abs(told - exact) <= Fraction(min(count, len(taxes)), 2)


@pytest.mark.parametrize("part", range(PARTS))
def test_each_rule_is_a_tax_of_its_own_also_where_two_say_the_same(part: int) -> None:
    _on_any(drawn_rules(part), _taxes_by_each_rule)


def test_a_price_that_contains_one_tax_twice_contains_twice_its_rate() -> None:
    once, twice = (_price(item(13800), rules=Rules(taxes=(vat("19"),) * times)) for times in (1, 2))

    assert _amounts(once) == [("tax", 2203)]
    assert _amounts(twice) == [("tax", 1900), ("tax", 1900)]


def test_medusa_13405_tax_is_rounded_once_for_the_order_and_not_for_each_line() -> None:
    # Taxes rounded by line do not add up to the tax of the order. 3 x 0.333 is 1, and not 0.
    priced = _price(*(item(333) for _ in range(3)), rules=Rules(taxes=(vat("0.1", included=False),)))
    assert _amounts(priced) == [("tax", 1)]
    assert priced.total.minor == 1000


def test_shipping_is_taxed_by_the_rule_of_its_lines() -> None:
    rules = Rules(taxes=(vat("19"), vat("7", tax_class="reduced")))
    priced = _price(item(7500), item(2500, tax_class="reduced"), shipping=PARCEL, rules=rules)
    shipping, standard, reduced = priced.adjustments
    assert shipping.shares == (368, 122)
    assert standard.amount.minor == round_half_up(Fraction((7500 + 368) * 19, 119))
    assert reduced.amount.minor == round_half_up(Fraction((2500 + 122) * 7, 107))


@pytest.mark.parametrize("included", [True, False])
def test_vendure_989_the_tax_on_shipping_goes_back_with_the_lines(included: bool) -> None:
    # A refund of all lines left the tax on the shipping with the shop.
    rules = Rules(taxes=(vat("19", included=included),))
    priced = _price(item(1000, quantity=3), item(500), shipping=PARCEL, rules=rules)
    returned = sum(total.minor for total in priced.line_totals)
    assert returned == priced.total.minor == (3990 if included else round_half_up(Fraction(3990 * 119, 100)))
    assert priced.adjustments[1].amount.minor == round_half_up(Fraction(3990 * 19, 119 if included else 100))


def test_medusa_13066_shipping_goes_back_with_the_last_line() -> None:
    # Shipping was of no line, so a refund line by line could not return it.
    priced = _price(item(1000), item(0), shipping=PARCEL)
    assert [total.minor for total in priced.line_totals] == [1490, 0]
    free = _price(item(0, quantity=3), item(0), shipping=PARCEL)
    assert [total.minor for total in free.line_totals] == [368, 122]


def test_solidus_512_a_refund_of_a_line_knows_the_discount_of_the_order() -> None:
    # A refund at the unit price returned more than was paid.
    half = DiscountRule(code="HALF", label="Half", percent=Decimal(50))
    priced = _price(item(1000), item(3000), codes=(half,))
    assert [total.minor for total in priced.line_totals] == [500, 1500]


def test_what_a_code_covers() -> None:
    shoes = DiscountRule(code="SHOES", label="Shoes", amount=Money(1500, "EUR"), skus=frozenset({"B"}))
    priced = _price(item(1000), item(1000, sku="B"), codes=(shoes,))
    assert priced.adjustments[0].shares == (0, -1000)
    assert priced.total.minor == 1000


def test_all_that_a_code_leaves_is_nothing_to_pay() -> None:
    free = DiscountRule(code="FREE", label="A gift", percent=Decimal(100))
    priced = _price(item(1000, quantity=3), codes=(free, free), rules=Rules(taxes=(vat("19"),)))
    assert priced.total.minor == 0
    assert _amounts(priced) == [("discount", -3000), ("discount", 0)]


def test_a_fee_for_small_orders_asks_for_what_the_goods_cost_after_discounts() -> None:
    fee = FeeRule(code="SMALL", label="Small order", amount=Money(300, "EUR"), below=Money(2000, "EUR"))
    ten = DiscountRule(code="TEN", label="10 % off", percent=Decimal(10))
    assert _price(item(2000), rules=Rules(fees=(fee,))).total.minor == 2000
    assert _price(item(2000), codes=(ten,), rules=Rules(fees=(fee,))).total.minor == 2100


@pytest.mark.parametrize(("included", "total"), [(True, 10000), (False, 11900)])
def test_a_business_owes_the_tax_itself(included: bool, total: int) -> None:
    rules = Rules(taxes=(vat("19", included=included, reverse_charge=True),))
    priced = _price(item(11900), rules=rules, vat_number="ATU12345678")
    (tax,) = priced.adjustments
    assert (priced.total.minor, tax.label, tax.included) == (total, "VAT (reverse charge)", False)
    assert _price(item(11900), rules=rules).adjustments[0].label == "VAT"


@pytest.mark.parametrize(("minor", "taxes"), [(2, 3), (3, 4), (4, 5)])
def test_taxes_that_a_business_owes_itself_and_that_round_up_take_no_more_than_there_is(minor: int, taxes: int) -> None:
    rules = Rules(taxes=(vat("100", reverse_charge=True),) * taxes)

    priced = _price(item(minor), rules=rules, vat_number="DE123456789")

    assert priced.total == Money(0, "EUR")


def test_two_taxes_that_a_business_owes_itself_take_no_line_below_zero() -> None:
    gst = TaxRule(country="CA", label="GST", percent=Decimal(10), included=True, reverse_charge=True)
    rules = Rules(taxes=(gst, replace(gst, label="QST", region="QC")))
    pins = [item(1, sku=f"PIN-{number}") for number in range(6)]

    priced = _price(*pins, rules=rules, destination=Destination(country="CA", region="QC"), vat_number="ATU12345678")

    assert _amounts(priced) == [("tax", -1), ("tax", -1)]
    assert [total.minor for total in priced.line_totals] == [0, 0, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({"percent": Decimal(10)}, None),
        ({"percent": Decimal(10), "starts_at": NOON + timedelta(seconds=1)}, WhyNot.NOT_YET),
        ({"percent": Decimal(10), "starts_at": NOON, "ends_at": NOON + timedelta(seconds=1)}, None),
        ({"percent": Decimal(10), "ends_at": NOON}, WhyNot.EXPIRED),
        ({"percent": Decimal(10), "skus": frozenset({"Z"})}, WhyNot.OTHER_PRODUCTS),
        ({"percent": Decimal(10), "minimum": Money(1001, "EUR")}, WhyNot.BELOW_MINIMUM),
        ({"percent": Decimal(10), "minimum": Money(1000, "EUR")}, None),
        ({"amount": Money(10, "USD")}, WhyNot.OTHER_CURRENCY),
    ],
)
def test_why_a_code_takes_nothing_off(rule: dict[str, object], why: WhyNot | None) -> None:
    basket = Basket(items=(item(1000),), destination=GERMANY)
    assert why_not(DiscountRule(code="C", label="a code", **rule), basket, at=NOON) == why  # type: ignore[arg-type]


@pytest.mark.parametrize(("exact", "rounded"), [("1/2", 1), ("-1/2", -1), ("49/100", 0), ("-3/2", -2), ("5/2", 3)])
def test_a_half_goes_away_from_zero(exact: str, rounded: int) -> None:
    assert round_half_up(Fraction(exact)) == rounded


def test_what_cannot_be_shared_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot share"):
        share_out(1, [])


DINARS = Rules(
    taxes=(vat("5", included=False), vat("7", included=True)),
    fees=(FeeRule(code="SMALL", label="Small", amount=Money(505, "KWD")),),
)


@given(
    st.lists(st.tuples(st.integers(1, 10**5), st.integers(1, 9)), min_size=1, max_size=8),
    st.integers(1, 100_000),
    st.integers(1, 10**5),
    st.booleans(),
)
def test_what_is_paid_is_a_multiple_of_what_the_provider_counts(
    lines: list[tuple[int, int]], thousandths: int, amount: int, business: bool
) -> None:
    items = tuple(
        Item(sku=str(number), name="", quantity=quantity, unit_price=Money(tens * 10, "KWD"))
        for number, (tens, quantity) in enumerate(lines)
    )
    codes = [
        DiscountRule(code="A", label="", percent=Decimal(thousandths).scaleb(-3)),
        DiscountRule(code="B", label="", amount=Money(amount, "KWD")),
    ]
    rules = replace(DINARS, taxes=tuple(replace(tax, reverse_charge=True) for tax in DINARS.taxes))
    basket = Basket(items=items, destination=GERMANY, vat_number="DE123456789" if business else "", step=10)

    priced = price(
        apply_discounts(basket, codes), shipping=Shipping(code="a", name="", price=Money(1005, "KWD")), rules=rules
    )

    for each in priced.adjustments:
        assert sum(each.shares) == each.amount.minor
        assert each.included or not any(share % 10 for share in each.shares)
    assert priced.total.minor % 10 == 0
    assert all(total.minor % 10 == 0 and total.minor >= 0 for total in priced.line_totals)
    assert sum(total.minor for total in priced.line_totals) == priced.total.minor


def test_a_tax_in_dinars_is_rounded_to_tens_and_one_in_the_price_is_told_to_the_fils() -> None:
    basket = Basket(
        items=(Item(sku="MUG", name="Mug", quantity=1, unit_price=Money(12340, "KWD")),), destination=GERMANY, step=10
    )

    added, contained = (
        price(apply_discounts(basket, ()), shipping=None, rules=Rules(taxes=(vat("5", included=included),)))
        for included in (False, True)
    )

    assert (added.total, added.adjustments[0].shares) == (Money(12960, "KWD"), (620,))
    assert (contained.total, contained.adjustments[0].amount) == (Money(12340, "KWD"), Money(588, "KWD"))


def test_prices_that_are_finer_than_the_step_are_priced_as_they_are() -> None:
    basket = Basket(
        items=(Item(sku="MUG", name="Mug", quantity=1, unit_price=Money(5, "KWD")),), destination=GERMANY, step=10
    )

    priced = price(
        apply_discounts(basket, [DiscountRule(code="A", label="", percent=Decimal(50))]), shipping=None, rules=NO_RULES
    )

    assert priced.total == Money(2, "KWD")


@pytest.mark.parametrize(
    ("amount", "country", "charged"),
    [
        (Money(300, "EUR"), "", [("fee", 300)]),
        (Money(300, "EUR"), "DE", [("fee", 300)]),
        (Money(300, "EUR"), "CA", []),
        (Money(300, "JPY"), "", []),
    ],
)
def test_a_fee_is_charged_in_its_own_currency_and_country_only(
    amount: Money, country: str, charged: list[tuple[str, int]]
) -> None:
    fee = FeeRule(code="SMALL", label="Small order", amount=amount, country=country)

    assert _amounts(_price(item(2000), rules=Rules(fees=(fee,)))) == charged
