"""What pricing answers: lines with exact prices, and each adjustment with its rule and rate as they were."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from orders.pricing.basket import Item
from shop.money import Money


class AdjustmentKind(StrEnum):
    """What changes the price of goods into that of an order."""

    DISCOUNT = "discount"
    SHIPPING = "shipping"
    FEE = "fee"
    TAX = "tax"


# How the label of a tax ends that the customer owes in place of the shop.
REVERSE_CHARGE = "(reverse charge)"


@dataclass(frozen=True, kw_only=True)
class Adjustment:
    """An amount beside the prices of the lines; a discount is negative.

    `code`: of the rule it comes from. `rate`: its percentage, where it has one. `included`: the prices contain it, so
    it is told and not added. `shares`: what each line bears of it, in minor units; they add up to the amount.
    """

    kind: AdjustmentKind
    label: str
    code: str
    amount: Money
    shares: tuple[int, ...]
    rate: Decimal | None = None
    included: bool = False

    @property
    def added(self) -> int:
        """What it adds to the total, in minor units."""
        return 0 if self.included else self.amount.minor

    @property
    def is_reversed(self) -> bool:
        """Whether it is a tax that the customer owes in place of the shop."""
        return self.kind == AdjustmentKind.TAX and self.label.endswith(REVERSE_CHARGE)


def share_in(prices: Sequence[Money], adjustments: Iterable[Adjustment]) -> tuple[Money, ...]:
    """Return what lines of these prices cost with their shares of all adjustments that are not included."""
    added = [each.shares for each in adjustments if not each.included]
    return tuple(
        Money(price.minor + sum(shares[line] for shares in added), price.currency) for line, price in enumerate(prices)
    )


@dataclass(frozen=True, kw_only=True)
class Priced:
    """What a basket costs: total = lines + adjustments that are not included."""

    items: tuple[Item, ...]
    adjustments: tuple[Adjustment, ...]

    @property
    def subtotal(self) -> Money:
        """The sum of the lines at their unit prices."""
        return Money(sum(item.price.minor for item in self.items), self.items[0].unit_price.currency)

    @property
    def total(self) -> Money:
        """What the customer pays."""
        added = sum(adjustment.added for adjustment in self.adjustments)
        return Money(self.subtotal.minor + added, self.subtotal.currency)

    @property
    def line_totals(self) -> tuple[Money, ...]:
        """What each line costs with its share of every adjustment; they add up to the total."""
        return share_in([item.price for item in self.items], self.adjustments)
