"""What shipping asks of a service that knows carriers' prices, in the shop's own words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Protocol, cast

from django.conf import settings
from django.utils.module_loading import import_string

from shipping.gateways.carrier import CarrierUnavailable
from shipping.rules import Place, ShippingOffer
from shop.money import Money
from shop.resilience.time_limit import TimeLimited


class RateService(Protocol):
    """Whoever knows what carriers ask for a parcel right now, such as a carrier's own API or a service for several."""

    def get_offers(
        self, *, place: Place, weight_grams: int, goods: Money, timeout_seconds: float
    ) -> Sequence[ShippingOffer]:
        """Return how a parcel can travel and what each way costs, in the currency of the goods; none: it cannot.

        It must give up after `timeout_seconds`; nobody waits for it any longer. Raises: CarrierUnavailable.
        """
        ...


def ask_rate_service(*, place: Place, weight_grams: int, goods: Money) -> tuple[ShippingOffer, ...]:
    """Return what the service offers that SHIPPING_RATE_SERVICE names, the cheapest first.

    Raises: CarrierUnavailable, BreakerOpen.
    """
    service, seconds = _maker(settings.SHIPPING_RATE_SERVICE)(), settings.SHIPPING_RATE_SERVICE_TIMEOUT_SECONDS
    offers = _calls().call(
        lambda: service.get_offers(place=place, weight_grams=weight_grams, goods=goods, timeout_seconds=seconds),
        within=seconds,
    )
    if any(offer.price.currency != goods.currency or offer.price.minor < 0 for offer in offers):
        raise CarrierUnavailable(f"the rate service named prices that are none in {goods.currency}")
    return tuple(sorted(offers, key=lambda offer: (offer.price.minor, offer.code)))


def load_rate_service() -> None:
    """Import the service that the settings name, where they name one. Raises: ImportError."""
    if settings.SHIPPING_RATE_SERVICE:
        _maker(settings.SHIPPING_RATE_SERVICE)


@cache
def _maker(path: str) -> Callable[[], RateService]:
    return cast("Callable[[], RateService]", import_string(path))


@cache
def _calls() -> TimeLimited:
    """Return the calls of the service; a shop without one has no breaker for it."""
    return TimeLimited("shipping_rates", unavailable=CarrierUnavailable)
