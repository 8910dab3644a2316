"""What is to be priced: items at the shop's prices, and where they go."""

from __future__ import annotations

from dataclasses import dataclass

from shop.money import Money


@dataclass(frozen=True, kw_only=True)
class Item:
    """So many pieces of one product, at the price of today. An empty `tax_class` is the standard one."""

    sku: str
    name: str
    quantity: int
    unit_price: Money
    weight_grams: int = 0
    tax_class: str = ""
    category: str = ""

    @property
    def price(self) -> Money:
        """Unit price times quantity."""
        return self.unit_price * self.quantity


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where the parcel goes, as far as rules ask; `country` is ISO 3166-1 alpha-2.

    `within`: the larger regions of the country that the region lies in.
    """

    country: str
    region: str = ""
    postal_code: str = ""
    within: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Basket:
    """What somebody wants to buy, all of it in one currency.

    `vat_number`: of a business that buys; a tax that allows reverse charge is then owed by the buyer. `step`: how many minor
    units what is paid must be a multiple of, since the card provider counts no finer.
    """

    items: tuple[Item, ...]
    destination: Destination
    vat_number: str = ""
    step: int = 1

    @property
    def currency(self) -> str:
        """The one currency of its prices."""
        return self.items[0].unit_price.currency

    @property
    def grain(self) -> int:
        """The step that amounts are rounded to; 1 where the prices of its items are finer, so that no line falls below zero."""
        if self.step == 1:
            return 1
        return 1 if any(item.unit_price.minor % self.step for item in self.items) else self.step

    @property
    def weight_grams(self) -> int:
        """What all of it weighs."""
        return sum(item.weight_grams * item.quantity for item in self.items)
