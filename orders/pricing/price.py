"""From a basket to a price: discounts first, then shipping and fees on what is left of the goods, then taxes on all of it.

Where a rule divides an amount it is rounded once for the order, half up, and shared out to the lines by largest remainder:
so no part of an order has a price of its own that the whole does not know. Where the card provider counts no finer than ten
minor units, amounts and shares are multiples of ten, but for taxes that the prices contain: these are only told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fractions import Fraction

from orders.pricing.basket import Basket
from orders.pricing.priced import REVERSE_CHARGE, Adjustment, AdjustmentKind, Priced
from orders.pricing.rules import DiscountRule, Rules, Shipping, TaxRule
from orders.pricing.sharing import round_half_up, share_out
from shop.money import Money


class WhyNot(StrEnum):
    """Why a code takes nothing off a basket."""

    UNKNOWN = "unknown"
    NOT_YET = "not_yet_valid"
    EXPIRED = "expired"
    OTHER_PRODUCTS = "other_products"
    OTHER_CURRENCY = "other_currency"
    BELOW_MINIMUM = "below_minimum"
    USED_UP = "used_up"
    USED_BY_CUSTOMER = "used_before"
    HELD = "held"


@dataclass(frozen=True)
class Discounted:
    """A basket whose discounts are known, so that its goods have a value that shipping and fees may ask for."""

    basket: Basket
    adjustments: tuple[Adjustment, ...]
    # What is left of each line's price, in minor units.
    left: tuple[int, ...]

    @property
    def goods(self) -> Money:
        """What the goods cost after all discounts."""
        return Money(sum(self.left), self.basket.currency)


def why_not(rule: DiscountRule, basket: Basket, *, at: datetime) -> WhyNot | None:
    """Return why a code takes nothing off this basket at that moment, None where it does."""
    if rule.starts_at is not None and at < rule.starts_at:
        return WhyNot.NOT_YET
    if rule.ends_at is not None and at >= rule.ends_at:
        return WhyNot.EXPIRED
    amounts = (amount for amount in (rule.amount, rule.minimum) if amount is not None)
    if any(amount.currency != basket.currency for amount in amounts):
        return WhyNot.OTHER_CURRENCY
    covered = sum(item.price.minor for item in basket.items if rule.covers(item))
    if not covered:
        return WhyNot.OTHER_PRODUCTS
    if rule.minimum is not None and covered < rule.minimum.minor:
        return WhyNot.BELOW_MINIMUM
    return None


def apply_discounts(basket: Basket, rules: Iterable[DiscountRule]) -> Discounted:
    """Take discounts off in the order of their codes: each takes its part of what the one before has left.

    The rules must apply (`why_not`). No line falls below zero.
    """
    left = [item.price.minor for item in basket.items]
    grain = basket.grain
    adjustments = []
    for rule in rules:
        weights = [rest if rule.covers(item) else 0 for item, rest in zip(basket.items, left, strict=True)]
        covered = sum(weights)
        if rule.percent is not None:
            off = min(covered, round_half_up(covered * Fraction(rule.percent) / 100, grain=grain))
        else:
            off = min(covered, _to_grain(rule.amount.minor if rule.amount is not None else 0, grain))
        shares = share_out(-off, weights, grain=grain) if covered else (0,) * len(left)
        left = [rest + share for rest, share in zip(left, shares, strict=True)]
        adjustments.append(
            Adjustment(
                kind=AdjustmentKind.DISCOUNT,
                label=rule.label,
                code=rule.code,
                rate=rule.percent,
                amount=Money(-off, basket.currency),
                shares=shares,
            )
        )
    return Discounted(basket, tuple(adjustments), tuple(left))


def price(discounted: Discounted, *, shipping: Shipping | None, rules: Rules) -> Priced:
    """Return what a basket costs, shipped this way. Raises: CurrencyMismatch where a rule has another currency."""
    basket, base = discounted.basket, list(discounted.left)
    adjustments = list(discounted.adjustments)
    for kind, code, label, exact in _extras(discounted, shipping, rules):
        amount = Money(_to_grain(exact.minor, basket.grain), exact.currency)
        shares = share_out(amount.minor, _weights(discounted), grain=basket.grain)
        base = [sum(pair) for pair in zip(base, shares, strict=True)]
        adjustments.append(Adjustment(kind=kind, label=label, code=code, amount=amount, shares=shares))
    adjustments += _taxes(basket, base, rules.taxes)
    return Priced(items=basket.items, adjustments=tuple(adjustments))


def _extras(
    discounted: Discounted, shipping: Shipping | None, rules: Rules
) -> Iterable[tuple[AdjustmentKind, str, str, Money]]:
    """Return what is added to the goods before taxes: shipping, also where it is free, and the fees that are due."""
    nothing = Money.zero(discounted.basket.currency)
    if shipping is not None:
        yield AdjustmentKind.SHIPPING, shipping.code, shipping.name, nothing + shipping.price
    for fee in rules.fees:
        if fee.amount.currency != nothing.currency or fee.country not in ("", discounted.basket.destination.country):
            continue
        if fee.below is None or discounted.goods < fee.below:
            yield AdjustmentKind.FEE, fee.code, fee.label, fee.amount


def _weights(discounted: Discounted) -> Sequence[int]:
    """Return how shipping and fees are shared: by what the lines cost or, where all are free, by their pieces."""
    if any(discounted.left):
        return discounted.left
    return [item.quantity for item in discounted.basket.items]


def _taxes(basket: Basket, base: Sequence[int], rules: Sequence[TaxRule]) -> Iterable[Adjustment]:
    """Return the taxes on the lines, each with its part of discounts, shipping and fees in `base`."""
    # By their places: two rules that say the same are two taxes, and a price that contains both contains twice the rate.
    by_line = [
        [place for place, rule in enumerate(rules) if rule.applies(item, basket.destination)] for item in basket.items
    ]
    # A price that contains several taxes contains each as its part of one and all of them.
    contained = [
        sum((_rate(rules[place]) for place in found if rules[place].included), Fraction(0)) for found in by_line
    ]
    # What no tax has been taken out of yet: of several, none takes a line below zero.
    left = list(base)
    for place in dict.fromkeys(place for found in by_line for place in found):
        rule = rules[place]
        weights = [amount if place in found else 0 for amount, found in zip(base, by_line, strict=True)]
        exact = sum(
            (weight * _rate(rule) / (1 + within) for weight, within in zip(weights, contained, strict=True)),
            Fraction(0),
        )
        reversed_charge = rule.reverse_charge and bool(basket.vat_number)
        # What the prices contain is only told.
        grain = basket.grain if reversed_charge or not rule.included else 1
        tax = round_half_up(exact, grain=grain)
        if reversed_charge:
            # What the prices contain is taken out of them; what would come on top does not come. Several taxes, each rounded up,
            # may be more than there is.
            weights = [amount if place in found else 0 for amount, found in zip(left, by_line, strict=True)]
            tax = -min(tax, sum(weights)) if rule.included else 0
        shares = share_out(tax, weights, grain=grain)
        if reversed_charge:
            left = [sum(pair) for pair in zip(left, shares, strict=True)]
        if tax or reversed_charge:
            yield Adjustment(
                kind=AdjustmentKind.TAX,
                label=f"{rule.label} {REVERSE_CHARGE}" if reversed_charge else rule.label,
                code=":".join(part for part in (rule.country, rule.region, rule.tax_class) if part),
                rate=rule.percent,
                amount=Money(tax, basket.currency),
                shares=shares,
                included=rule.included and not reversed_charge,
            )


def _to_grain(amount: int, grain: int) -> int:
    """Return an amount that a rule names, as it can be charged: a service may say one that is finer."""
    return round_half_up(Fraction(amount), grain=grain)


def _rate(rule: TaxRule) -> Fraction:
    return Fraction(rule.percent) / 100
