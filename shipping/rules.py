"""Decisions about shipments: how far a parcel is, what a tracking number looks like, and what the shop's rates cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from shop.money import Money
from shop.text import NotOneLine, clean_line

TRACKING_NUMBER_LENGTH = 64
CARRIER_NAME_LENGTH = 40
OPTION_CODE_LENGTH = 40
OPTION_CODE_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,39}$"


class Stage(StrEnum):
    """How far a carrier says a parcel is."""

    BOOKED = "BOOKED"
    DISPATCHED = "DISPATCHED"
    DELIVERED = "DELIVERED"


def clean_tracking_number(text: str) -> str:
    """Return the number as carriers print it, without blanks around or inside; "" where nothing usable is left."""
    try:
        number = clean_line("".join(text.split())).upper()
    except NotOneLine:
        return ""
    return number if number.isprintable() and len(number) <= TRACKING_NUMBER_LENGTH else ""


@dataclass(frozen=True)
class Place:
    """Where a parcel goes, as far as its price depends on it; `country` is ISO 3166-1 alpha-2."""

    country: str
    region: str = ""
    postal_code: str = ""


@dataclass(frozen=True, kw_only=True)
class ShippingOffer:
    """A way for a parcel to travel, and what it costs. `days_min`, `days_max`: when it arrives."""

    code: str
    name: str
    price: Money
    days_min: int
    days_max: int


@dataclass(frozen=True, kw_only=True)
class Rate:
    """What an option costs to some countries (none named: to all), for a parcel of some weight."""

    countries: frozenset[str]
    min_weight_grams: int
    max_weight_grams: int | None
    price: Money
    free_from: Money | None

    def price_for(self, *, country: str, weight_grams: int, goods: Money) -> Money | None:
        """Return what a parcel costs, None where the rate is not for it."""
        if self.price.currency != goods.currency or (self.countries and country not in self.countries):
            return None
        if weight_grams < self.min_weight_grams:
            return None
        if self.max_weight_grams is not None and weight_grams > self.max_weight_grams:
            return None
        is_free = self.free_from is not None and goods >= self.free_from
        return Money.zero(goods.currency) if is_free else self.price


@dataclass(frozen=True, kw_only=True)
class Option:
    """A way for parcels to travel, with its rates."""

    code: str
    name: str
    days_min: int
    days_max: int
    position: int
    active: bool
    rates: tuple[Rate, ...]

    def price_for(self, *, country: str, weight_grams: int, goods: Money) -> Money | None:
        """Return what a parcel costs by the best rate that fits: one that names the country, then the cheapest."""
        fitting = [
            (not rate.countries, price.minor)
            for rate in self.rates
            if (price := rate.price_for(country=country, weight_grams=weight_grams, goods=goods)) is not None
        ]
        return Money(min(fitting)[1], goods.currency) if fitting else None


def offers_of(options: Iterable[Option], *, country: str, weight_grams: int, goods: Money) -> tuple[ShippingOffer, ...]:
    """Return what the active options cost that take this parcel, in the order of their positions, then prices."""
    found = [
        (option.position, price.minor, option.code, option, price)
        for option in options
        if option.active
        and (price := option.price_for(country=country, weight_grams=weight_grams, goods=goods)) is not None
    ]
    return tuple(
        ShippingOffer(
            code=option.code, name=option.name, price=price, days_min=option.days_min, days_max=option.days_max
        )
        for *_order, option, price in sorted(found, key=lambda one: one[:3])
    )
