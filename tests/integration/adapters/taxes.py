"""A tax service as short as one can be: docs/how-to/rates-and-taxes.md shows it."""

from decimal import Decimal

from orders.gateways import TaxServiceUnavailable
from orders.pricing.rules import TaxRule
from shop import transactions

RATES = {("US", "NY", ""): "8.875", ("US", "NY", "food"): "0", ("DE", "", ""): "19"}


class ShortTaxes:
    """Knows three rates; `away` has it fail."""

    away = False

    def get_taxes(self, *, destination, tax_classes, timeout_seconds):
        transactions.forbid()
        if self.away:
            raise TaxServiceUnavailable("the tax service answered 502")
        return [
            TaxRule(
                country=country,
                region=region,
                tax_class=tax_class,
                label=f"Sales tax {percent} %",
                percent=Decimal(percent),
                included=country != "US",
            )
            for (country, region, tax_class), percent in RATES.items()
            if (country, region) in ((destination.country, destination.region), (destination.country, ""))
            and tax_class in tax_classes
        ]


def service():
    """Make the adapter; the setting TAX_SERVICE names this function."""
    return ShortTaxes()
