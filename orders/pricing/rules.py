"""What a shop demands and grants, as data. Rows of these live in the tables of orders; here they are plain values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from orders.pricing.basket import Destination, Item
from shop.money import Money


@dataclass(frozen=True, kw_only=True)
class TaxRule:
    """A tax on products of one class that go to one country or, with `region`, to one part of it.

    `percent`: 19 means 19 %. `included`: the shop's prices contain it; otherwise it comes on top. Where a rule of the
    country and one of the region match, both apply. `reverse_charge`: a buyer with a VAT number owes it instead.
    """

    country: str
    label: str
    percent: Decimal
    included: bool
    region: str = ""
    tax_class: str = ""
    reverse_charge: bool = False

    def applies(self, item: Item, destination: Destination) -> bool:
        """Return whether an item that goes there is taxed by this rule."""
        return (
            self.tax_class == item.tax_class
            and self.country == destination.country
            and self.region in ("", destination.region, *destination.within)
        )


@dataclass(frozen=True, kw_only=True)
class DiscountRule:
    """What a code takes off: `percent` of the price, or an `amount`; of all items, or of those of some SKUs or categories.

    Limits of use (once per customer, a number in all) are not priced: they are held with the order.
    """

    code: str
    label: str
    percent: Decimal | None = None
    amount: Money | None = None
    skus: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    minimum: Money | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    def covers(self, item: Item) -> bool:
        """Return whether an item becomes cheaper by this code."""
        if not self.skus and not self.categories:
            return True
        return item.sku in self.skus or item.category in self.categories


@dataclass(frozen=True, kw_only=True)
class FeeRule:
    """A fee that an order costs, such as one for small orders: only `below` that value of goods, where it is given.

    An empty `country` is every country.
    """

    code: str
    label: str
    amount: Money
    country: str = ""
    below: Money | None = None


@dataclass(frozen=True, kw_only=True)
class Shipping:
    """How the parcel travels, and what that costs for this basket."""

    code: str
    name: str
    price: Money


@dataclass(frozen=True, kw_only=True)
class Rules:
    """All rules of a shop except its discounts: those are looked up by the code that a customer gives."""

    taxes: tuple[TaxRule, ...] = ()
    fees: tuple[FeeRule, ...] = ()


NO_RULES = Rules()
