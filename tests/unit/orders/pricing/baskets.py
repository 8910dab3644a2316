"""Baskets and rules as hypothesis draws them, in currencies with no, two and three decimals."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import strategies as st

from orders.pricing.basket import Basket, Destination, Item
from orders.pricing.price import apply_discounts, price
from orders.pricing.priced import Priced
from orders.pricing.rules import DiscountRule, FeeRule, Rules, Shipping, TaxRule
from shop.money import Money

CLASSES = ("", "reduced")
COUNTRIES = ("DE", "CA")

percents = st.decimals(min_value=0, max_value=100, places=3, allow_nan=False)


@st.composite
def priced_baskets(draw: st.DrawFn) -> Priced:
    """Draw a basket with any discounts, shipping, fees and taxes, and return its price."""
    currency = draw(st.sampled_from(["EUR", "JPY", "KWD"]))
    amounts = st.integers(0, 10**7).map(lambda minor: Money(minor, currency))
    items = draw(
        st.lists(
            st.builds(
                Item,
                sku=st.sampled_from(["A", "B", "C"]),
                name=st.just("a product"),
                quantity=st.integers(1, 99),
                unit_price=amounts,
                tax_class=st.sampled_from(CLASSES),
                category=st.sampled_from(["", "shoes"]),
            ),
            min_size=1,
            max_size=6,
        )
    )
    codes = st.one_of(
        st.builds(DiscountRule, code=st.just("P"), label=st.just("percent"), percent=percents, skus=_some("A", "B")),
        st.builds(DiscountRule, code=st.just("A"), label=st.just("amount"), amount=amounts, categories=_some("shoes")),
    )
    rules = Rules(
        taxes=tuple(
            draw(
                st.lists(
                    st.builds(
                        TaxRule,
                        country=st.sampled_from(COUNTRIES),
                        region=st.sampled_from(["", "QC"]),
                        label=st.sampled_from(["VAT", "GST", "PST"]),
                        percent=percents,
                        included=st.booleans(),
                        tax_class=st.sampled_from(CLASSES),
                        reverse_charge=st.booleans(),
                    ),
                    max_size=5,
                )
            )
        ),
        fees=tuple(
            draw(st.lists(st.builds(FeeRule, code=st.just("F"), label=st.just("fee"), amount=amounts), max_size=2))
        ),
    )
    basket = Basket(
        items=tuple(items),
        destination=Destination(country=draw(st.sampled_from(COUNTRIES)), region=draw(st.sampled_from(["", "QC"]))),
        vat_number=draw(st.sampled_from(["", "DE123456789"])),
    )
    shipping = draw(st.none() | st.builds(Shipping, code=st.just("S"), name=st.just("parcel"), price=amounts))
    return price(apply_discounts(basket, draw(st.lists(codes, max_size=3))), shipping=shipping, rules=rules)


def _some(*names: str) -> st.SearchStrategy[frozenset[str]]:
    return st.frozensets(st.sampled_from(names))


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
