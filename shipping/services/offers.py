"""What shipping a parcel costs: by the shop's own rates, or by those of a service."""

from __future__ import annotations

import structlog
from django.conf import settings

from shipping.gateways.rates import ask_rate_service
from shipping.queries import OPTIONS
from shipping.rules import Place, ShippingOffer, offers_of
from shop import transactions
from shop.errors import Fault, Refusal
from shop.money import Money

log = structlog.get_logger(__name__)


class NoShippingThere(Refusal):
    """The shop has ways to ship parcels, and none of them takes one of this weight and value to that country."""

    code = "no_shipping_there"
    title = "The shop cannot ship this order there; try another address, or fewer things at once"
    http_status = 422
    fact_types = {"country": str}


def get_shipping_offers(
    *, country: str, region: str = "", postal_code: str = "", weight_grams: int, goods: Money
) -> tuple[ShippingOffer, ...]:
    """Return how a parcel can travel and what each way costs; none where the shop has no rates at all, and asks nothing.

    `goods`: what they cost after discounts, which may make shipping free. The shop's own rates are at most
    PRICING_RULES_SECONDS old and cost no statement while they are remembered. A service is asked outside of any
    transaction; one that fails is replaced by the shop's own rates where SHIPPING_RATE_SERVICE_FALLBACK says so.
    Raises: NoShippingThere; CarrierUnavailable and BreakerOpen of a service.
    """
    transactions.forbid()
    if settings.SHIPPING_RATE_SERVICE:
        offers = _ask_service(Place(country, region, postal_code), weight_grams=weight_grams, goods=goods)
    else:
        offers = _by_table(country=country, weight_grams=weight_grams, goods=goods)
        if not offers and not _has_rates():
            return ()
    if not offers:
        raise NoShippingThere(country=country)
    return offers


def _ask_service(place: Place, *, weight_grams: int, goods: Money) -> tuple[ShippingOffer, ...]:
    try:
        return ask_rate_service(place=place, weight_grams=weight_grams, goods=goods)
    except Fault as fault:
        # Without rates of its own the shop would ship for nothing.
        if settings.SHIPPING_RATE_SERVICE_FALLBACK != "table" or not _has_rates():
            raise
        log.warning("shipping.rate_service_replaced", error=str(fault))
        return _by_table(country=place.country, weight_grams=weight_grams, goods=goods)


def _by_table(*, country: str, weight_grams: int, goods: Money) -> tuple[ShippingOffer, ...]:
    return offers_of(OPTIONS.get(), country=country, weight_grams=weight_grams, goods=goods)


def _has_rates() -> bool:
    """Return whether the shop has any rate, also of options that are not active: it then never ships for nothing."""
    return any(option.rates for option in OPTIONS.get())
