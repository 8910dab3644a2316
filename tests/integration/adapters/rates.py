"""A rate service as short as one can be: docs/how-to/rates-and-taxes.md shows it."""

from shipping.gateways import CarrierUnavailable
from shipping.rules import ShippingOffer
from shop import transactions
from shop.money import Money


class ShortRates:
    """Asks two prices for each kilogram begun; `away` has it fail."""

    away = False

    def get_offers(self, *, place, weight_grams, goods, timeout_seconds):
        transactions.forbid()
        if self.away:
            raise CarrierUnavailable("the rate service answered 502")
        if place.country == "AQ":
            return []
        kilograms = max(1, -(-weight_grams // 1000))
        return [
            ShippingOffer(
                code=code, name=name, price=Money(each * kilograms, goods.currency), days_min=days, days_max=days + 1
            )
            for code, name, each, days in (("air", "By air", 900, 1), ("road", "By road", 300, 3))
        ]


def service():
    """Make the adapter; the setting SHIPPING_RATE_SERVICE names this function."""
    return ShortRates()
