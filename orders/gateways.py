"""What orders calls that may fail: inventory behind a breaker, and a service that knows taxes better than the shop's own rates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Protocol, cast

import structlog
from django.conf import settings
from django.utils.module_loading import import_string

from orders.pricing.basket import Destination
from orders.pricing.rules import TaxRule
from orders.queries import RULES
from shop.errors import Fault
from shop.resilience.breaker import Breaker
from shop.resilience.time_limit import TimeLimited

log = structlog.get_logger(__name__)

inventory_breaker = Breaker("inventory")


class TaxServiceUnavailable(Fault):
    """The tax service did not answer, or its answer cannot be used, and the shop's own rates may not stand in for it."""

    code = "tax_service_unavailable"
    title = "Taxes cannot be computed now; try again"


class TaxService(Protocol):
    """Whoever knows the taxes of a place, such as a company's API; the shop computes the amounts itself."""

    def get_taxes(
        self, *, destination: Destination, tax_classes: frozenset[str], timeout_seconds: float
    ) -> Sequence[TaxRule]:
        """Return the taxes on products of these classes that go there; "" is the class of usual products.

        Only rules whose country, region and class are those of the order apply. It must give up after `timeout_seconds`;
        nobody waits for it any longer. Raises: TaxServiceUnavailable.
        """
        ...


def get_taxes(*, destination: Destination, tax_classes: frozenset[str]) -> tuple[TaxRule, ...]:
    """Return the taxes that may be due: the shop's own rates, or what TAX_SERVICE says, asked outside of any transaction.

    Where the service fails, TAX_SERVICE_FALLBACK says whether the shop's own rates stand in.
    Raises: TaxServiceUnavailable, BreakerOpen.
    """
    if not settings.TAX_SERVICE:
        return RULES.get().taxes
    service, seconds = _maker(settings.TAX_SERVICE)(), settings.TAX_SERVICE_TIMEOUT_SECONDS
    try:
        return _calls().call(
            lambda: tuple(service.get_taxes(destination=destination, tax_classes=tax_classes, timeout_seconds=seconds)),
            within=seconds,
        )
    except Fault as fault:
        # Without rates of its own the shop would sell untaxed.
        if settings.TAX_SERVICE_FALLBACK != "table" or not RULES.get().taxes:
            raise
        log.warning("order.tax_service_replaced", error=str(fault))
        return RULES.get().taxes


def load_tax_service() -> None:
    """Import the service that the settings name, where they name one. Raises: ImportError."""
    if settings.TAX_SERVICE:
        _maker(settings.TAX_SERVICE)


@cache
def _maker(path: str) -> Callable[[], TaxService]:
    return cast("Callable[[], TaxService]", import_string(path))


@cache
def _calls() -> TimeLimited:
    """Return the calls of the service; a shop without one has no breaker for it."""
    return TimeLimited("tax_service", unavailable=TaxServiceUnavailable)
