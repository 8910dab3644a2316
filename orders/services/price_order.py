"""What an order costs: the one function that quotes and orders are priced by. It reads rules and writes nothing.

The arithmetic is `orders.pricing`'s; here its rules are found: the products' offers, codes, ways to ship, taxes and fees.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from inventory import api as inventory
from orders.gateways import get_taxes
from orders.models import DiscountCode, region_of
from orders.pricing.basket import Basket, Destination, Item
from orders.pricing.price import Discounted, WhyNot, apply_discounts, price, why_not
from orders.pricing.priced import Priced
from orders.pricing.rules import Rules, Shipping, TaxRule
from orders.queries import RULES, find_codes
from orders.rules import CODE_LENGTH
from payments import api as payments
from shipping import api as shipping
from shop import transactions
from shop.clock import now
from shop.errors import Refusal
from shop.money import Money
from shop.regions import codes_of, find_region
from shop.text import NotOneLine, clean_line

MAX_CODES = 5


class MixedCurrencies(Refusal):
    """The lines are priced in more than one currency; an order is paid in one."""

    code = "mixed_currencies"
    title = "All lines of an order must be priced in one currency; place one order per currency"
    http_status = 422
    fact_types = {"currencies": list[str]}


class ShippingOptionNotOffered(Refusal):
    """The chosen option is not one of those that take this parcel there."""

    code = "shipping_option_not_offered"
    title = "This order cannot be shipped that way; choose another shipping option"
    http_status = 422
    fact_types = {"shipping_option": str, "offered": list[str]}


class RegionNotKnown(Refusal):
    """The taxes of this country differ by region, and the address names one that does not exist or, in an order, none.

    facts.regions are codes (ISO 3166-2).

    A code, such as NY or US-NY, and a name, such as New York, are understood. Without it the order would go untaxed.
    """

    code = "region_not_known"
    title = "This state or region is not known, and the taxes depend on it"
    http_status = 422
    fact_types = {"country": str, "region": str, "regions": list[str]}


class NothingForSale(Refusal):
    """Not one of the products can be bought, so there is nothing to price."""

    code = "nothing_for_sale"
    title = "None of these products is for sale"
    http_status = 422
    fact_types = {"skus": list[str]}


class Shortcoming(StrEnum):
    """Why a line is not available as it is wanted."""

    NOT_FOR_SALE = "not_for_sale"
    NOT_ENOUGH = "not_enough"


@dataclass(frozen=True, kw_only=True)
class Unavailable:
    """A product that is not available in the quantity wanted in all lines together. It was true a moment ago."""

    sku: str
    wanted: int
    available: int
    reason: Shortcoming


# What customers read of a code that takes nothing off.
EXPLANATIONS: Mapping[WhyNot, str] = {
    WhyNot.UNKNOWN: "There is no such code.",
    WhyNot.NOT_YET: "This code is not valid yet.",
    WhyNot.EXPIRED: "This code has expired.",
    WhyNot.OTHER_PRODUCTS: "This code is for other products.",
    WhyNot.OTHER_CURRENCY: "This code is for prices in another currency.",
    WhyNot.BELOW_MINIMUM: "The order is too small for this code.",
    WhyNot.USED_UP: "This code has been used as often as it may be.",
    WhyNot.USED_BY_CUSTOMER: "You have used this code before.",
    WhyNot.HELD: "Too many unpaid orders use this code at the moment. Try again in a few minutes, or order with a card at once.",
}


@dataclass(frozen=True, kw_only=True)
class RefusedCode:
    """A code that takes nothing off, spelled as it is kept."""

    code: str
    reason: WhyNot

    @property
    def detail(self) -> str:
        """The reason as customers read it."""
        return EXPLANATIONS[self.reason]


@dataclass(frozen=True, kw_only=True)
class PricedOrder:
    """What an order costs, and all that its customer is to know of it before they place it.

    `priced` holds what is for sale, in the order of the lines. `way` is the shipping that was chosen, None where the
    shop charges none; `codes` are those whose discount is in the price, as rows that say what of them is limited.
    """

    priced: Priced
    way: shipping.ShippingOffer | None
    shipping_offers: tuple[shipping.ShippingOffer, ...]
    codes: tuple[DiscountCode, ...]
    refused_codes: tuple[RefusedCode, ...]
    unavailable: tuple[Unavailable, ...]

    @property
    def total(self) -> Money:
        """What the customer pays."""
        return self.priced.total


def price_order(
    *,
    lines: Sequence[tuple[str, int]],
    offers: Mapping[str, inventory.ProductOffer],
    destination: Destination,
    shipping_option: str = "",
    codes: Sequence[str] = (),
    vat_number: str = "",
    customer_id: uuid.UUID | None = None,
    is_order: bool = False,
) -> PricedOrder:
    """Return what these lines, (sku, quantity), cost there at the offers of their products.

    A line without an offer is not priced and stands in `unavailable`. Without a `shipping_option` the cheapest is chosen;
    a shop without rates ships without a line of its own. Codes are taken in any spelling; percentages go before amounts,
    so that neither the order in which they are typed nor their names change the price. `customer_id`: who asks, where
    that is known. `is_order`: its address is complete, so that a region must be given where taxes depend on it; whoever only
    asks for a price may not have written it yet. Costs one statement where codes are given, and none otherwise while the rules are remembered.

    Raises: NothingForSale, MixedCurrencies, RegionNotKnown, ShippingOptionNotOffered, shipping's NoShippingThere; the Faults of a tax
    or rate service that fails and that the settings let nobody stand in for.
    """
    transactions.forbid()
    basket = _basket(lines, offers, destination, vat_number)
    applied, refused = _judge_codes(codes, basket, customer_id)
    discounted = apply_discounts(basket, [code.rule for code in applied])
    if idle := _idle(applied, discounted):
        # What takes nothing off is not used: the others have left nothing, or it is less than a minor unit.
        refused += [RefusedCode(code=code.code, reason=WhyNot.BELOW_MINIMUM) for code in idle]
        applied = [code for code in applied if code not in idle]
        discounted = apply_discounts(basket, [code.rule for code in applied])
    ways = shipping.get_shipping_offers(
        country=destination.country,
        region=destination.region,
        postal_code=destination.postal_code,
        weight_grams=basket.weight_grams,
        goods=discounted.goods,
    )
    way = _choose(ways, shipping_option)
    taxes = get_taxes(destination=basket.destination, tax_classes=frozenset(item.tax_class for item in basket.items))
    _require_region(basket.destination, taxes, is_order=is_order)
    return PricedOrder(
        priced=price(
            discounted,
            shipping=None if way is None else Shipping(code=way.code, name=way.name, price=way.price),
            rules=Rules(taxes=taxes, fees=RULES.get().fees),
        ),
        way=way,
        shipping_offers=ways,
        codes=tuple(applied),
        refused_codes=tuple(refused),
        unavailable=_unavailable(lines, offers),
    )


def spelled(code: str) -> str:
    """Return a code as it is kept: in capitals, without blanks around it; "" for what cannot be one."""
    try:
        cleaned = clean_line(code).upper()
    except NotOneLine:
        return ""
    return cleaned if len(cleaned) <= CODE_LENGTH else ""


def _basket(
    lines: Sequence[tuple[str, int]],
    offers: Mapping[str, inventory.ProductOffer],
    destination: Destination,
    vat_number: str,
) -> Basket:
    """Return what can be priced of the lines. Raises: NothingForSale, MixedCurrencies."""
    items = tuple(_item(offers[sku], quantity) for sku, quantity in lines if sku in offers)
    if not items:
        raise NothingForSale(skus=sorted({sku for sku, _quantity in lines}))
    currencies = {item.unit_price.currency for item in items}
    if len(currencies) != 1:
        raise MixedCurrencies(currencies=sorted(currencies))
    region = region_of(destination.country, destination.region)
    place = Destination(
        country=destination.country, region=region.code, postal_code=destination.postal_code, within=region.within
    )
    step = payments.get_step(currency=next(iter(currencies)))
    return Basket(items=items, destination=place, vat_number=vat_number, step=step)


def _require_region(destination: Destination, taxes: Sequence[TaxRule], *, is_order: bool) -> None:
    """Insist that a region is known where taxes depend on it: no tax is not what an unknown one means. Raises: RegionNotKnown."""
    country, region = destination.country, destination.region
    regional = {tax.region for tax in taxes if tax.country == country and tax.region}
    if not regional or region in regional or (find_region(country, region) if region else not is_order):
        return
    detail = "" if region else f"The taxes of {country} differ by region: name the state or region of the address"
    raise RegionNotKnown(detail, country=country, region=region, regions=codes_of(country))


def _item(offer: inventory.ProductOffer, quantity: int) -> Item:
    return Item(
        sku=offer.sku,
        name=offer.name,
        quantity=quantity,
        unit_price=offer.price,
        weight_grams=offer.weight_grams,
        tax_class=offer.tax_class,
        category=offer.category,
    )


def _judge_codes(
    codes: Sequence[str], basket: Basket, customer_id: uuid.UUID | None
) -> tuple[list[DiscountCode], list[RefusedCode]]:
    """Return the codes that take something off, in the order they are applied in, and the others with their reasons."""
    wanted = list(dict.fromkeys(spelled(code) for code in codes))
    found = find_codes([code for code in wanted if code], customer_id=customer_id)
    applied, refused, at = [], [], now()
    for code in wanted:
        reason = _why_not(found.get(code), basket, at)
        if reason is None:
            applied.append(found[code])
        else:
            refused.append(RefusedCode(code=code, reason=reason))
    return sorted(applied, key=lambda each: (each.percent is None, each.code)), refused


def _idle(applied: Sequence[DiscountCode], discounted: Discounted) -> list[DiscountCode]:
    """Return the codes that were applied and took nothing off."""
    told = zip(applied, discounted.adjustments, strict=True)
    return [code for code, adjustment in told if not adjustment.amount.minor]


def _why_not(code: DiscountCode | None, basket: Basket, at: Any) -> WhyNot | None:
    if code is None:
        return WhyNot.UNKNOWN
    if code.once_per_customer and code.used_before:  # type: ignore[attr-defined]  # find_codes annotates it
        return WhyNot.USED_BY_CUSTOMER
    if code.max_uses is not None and code.held + code.used >= code.max_uses:
        return WhyNot.USED_UP
    return why_not(code.rule, basket, at=at)


def _choose(ways: Sequence[shipping.ShippingOffer], wanted: str) -> shipping.ShippingOffer | None:
    """Return the way that is wanted, or the cheapest; among equals the first. Raises: ShippingOptionNotOffered."""
    if not wanted:
        return min(ways, key=lambda way: way.price.minor, default=None)
    chosen = next((way for way in ways if way.code == wanted), None)
    if chosen is None:
        raise ShippingOptionNotOffered(shipping_option=wanted, offered=[way.code for way in ways])
    return chosen


def _unavailable(
    lines: Sequence[tuple[str, int]], offers: Mapping[str, inventory.ProductOffer]
) -> tuple[Unavailable, ...]:
    wanted: Counter[str] = Counter()
    for sku, quantity in lines:
        wanted[sku] += quantity
    return tuple(
        Unavailable(
            sku=sku,
            wanted=quantity,
            available=offers[sku].available if sku in offers else 0,
            reason=Shortcoming.NOT_ENOUGH if sku in offers else Shortcoming.NOT_FOR_SALE,
        )
        for sku, quantity in wanted.items()
        if sku not in offers or offers[sku].available < quantity
    )
