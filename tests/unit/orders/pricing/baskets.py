"""Baskets and rules as hypothesis draws them, in currencies with no, two and three decimals.

Hypothesis draws how large a basket is, which it can make small again, and one number; chance of that number fills it. A strategy
for each member costs thirty times as much, and a hundred thousand baskets could not be tried.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import Decimal

from hypothesis import strategies as st

from orders.pricing.basket import Basket, Destination, Item
from orders.pricing.price import apply_discounts, price
from orders.pricing.priced import Priced
from orders.pricing.rules import DiscountRule, FeeRule, Rules, Shipping, TaxRule
from shop.money import Money

CURRENCIES = ("EUR", "JPY", "KWD")
CLASSES = ("", "reduced")
COUNTRIES = ("DE", "CA")
REGIONS = ("", "QC")
# Those of real taxes and codes beside any: what divides evenly fails at other places than what does not.
PERCENTS = ("0", "5", "7", "9.975", "10", "19", "33.333", "50", "100")


@dataclass(frozen=True)
class _Filling:
    """Fills a basket by chance, with amounts of at most so many minor units."""

    chance: random.Random
    most: int
    currency: str

    def amount(self) -> Money:
        return Money(self.chance.randint(0, self.most), self.currency)

    def percent(self) -> Decimal:
        if self.chance.random() < 0.5:
            return Decimal(self.chance.choice(PERCENTS))
        return Decimal(self.chance.randint(0, 100_000)).scaleb(-3)

    def item(self) -> Item:
        return Item(
            sku=self.chance.choice("ABC"),
            name="a product",
            quantity=self.chance.randint(1, 99),
            unit_price=self.amount(),
            tax_class=self.chance.choice(CLASSES),
            category=self.chance.choice(["", "shoes"]),
        )

    def code(self) -> DiscountRule:
        if self.chance.random() < 0.5:
            return DiscountRule(code="P", label="percent", percent=self.percent(), skus=self._some("A", "B"))
        return DiscountRule(code="A", label="amount", amount=self.amount(), categories=self._some("shoes"))

    def tax(self) -> TaxRule:
        return TaxRule(
            country=self.chance.choice(COUNTRIES),
            region=self.chance.choice(REGIONS),
            label=self.chance.choice(["VAT", "GST", "PST"]),
            percent=self.percent(),
            included=self.chance.random() < 0.5,
            tax_class=self.chance.choice(CLASSES),
            reverse_charge=self.chance.random() < 0.5,
        )

    def _some(self, *names: str) -> frozenset[str]:
        return frozenset(name for name in names if self.chance.random() < 0.5)


def drawn_baskets(part: int = 0) -> st.SearchStrategy[Priced]:
    """Draw the prices of baskets with any discounts, shipping, fees and taxes; another `part` has others under the same seed."""

    def fill(*, number: int, lines: int, codes: int, taxes: int, fees: int, most: int, currency: str) -> Priced:
        filling = _Filling(chance := random.Random(f"{part} {number}"), most, currency)
        basket = Basket(
            items=tuple(filling.item() for _line in range(lines)),
            destination=Destination(country=chance.choice(COUNTRIES), region=chance.choice(REGIONS)),
            vat_number=chance.choice(["", "DE123456789"]),
        )
        rules = Rules(
            taxes=tuple(filling.tax() for _tax in range(taxes)),
            fees=tuple(FeeRule(code="F", label="fee", amount=filling.amount()) for _fee in range(fees)),
        )
        shipping = chance.choice([None, Shipping(code="S", name="parcel", price=filling.amount())])
        discounted = apply_discounts(basket, [filling.code() for _code in range(codes)])
        return price(discounted, shipping=shipping, rules=rules)

    return st.builds(
        fill,
        number=st.integers(0, 2**64 - 1),
        lines=st.integers(1, 6),
        codes=st.integers(0, 3),
        taxes=st.integers(0, 5),
        fees=st.integers(0, 2),
        most=st.sampled_from([9, 999, 10**7]),
        currency=st.sampled_from(CURRENCIES),
    )


def drawn_rules(part: int = 0) -> st.SearchStrategy[tuple[tuple[Item, ...], tuple[TaxRule, ...]]]:
    """Draw lines and German taxes on them, of which several may say the same."""

    def fill(*, number: int, lines: int, taxes: int) -> tuple[tuple[Item, ...], tuple[TaxRule, ...]]:
        chance = random.Random(f"{part} {number}")
        kinds = [chance.choice(CLASSES) for _each in range(lines + taxes)]
        return (
            tuple(item(chance.randint(0, 10**7), tax_class=kind) for kind in kinds[:lines]),
            tuple(
                vat(chance.choice(["0", "7", "19", "33.333"]), included=chance.random() < 0.5, tax_class=kind)
                for kind in kinds[lines:]
            ),
        )

    return st.builds(fill, number=st.integers(0, 2**64 - 1), lines=st.integers(1, 6), taxes=st.integers(1, 5))


def item(minor: int, *, quantity: int = 1, currency: str = "EUR", sku: str = "A", tax_class: str = "") -> Item:
    """Return a line for the tests that tell a story."""
    return Item(sku=sku, name="a product", quantity=quantity, unit_price=Money(minor, currency), tax_class=tax_class)


def vat(percent: str, *, included: bool = True, tax_class: str = "", reverse_charge: bool = False) -> TaxRule:
    """Return a German tax."""
    return TaxRule(
        country="DE",
        label="VAT",
        percent=Decimal(percent),
        included=included,
        tax_class=tax_class,
        reverse_charge=reverse_charge,
    )
