"""The carriers: what shipping asks of one, and the adapters it can ask. Never called inside a transaction."""

from __future__ import annotations

from django.conf import settings
from django.utils.module_loading import import_string

from shipping.gateways.carrier import (
    Address,
    Booking,
    Carrier,
    CarrierRefused,
    CarrierUnavailable,
    Parcel,
    ParcelLine,
    Progress,
)
from shipping.gateways.manual import ManualCarrier
from shipping.gateways.rates import RateService

__all__ = [
    "CARRIERS",
    "Address",
    "Booking",
    "Carrier",
    "CarrierRefused",
    "CarrierUnavailable",
    "ManualCarrier",
    "Parcel",
    "ParcelLine",
    "Progress",
    "RateService",
    "carrier_named",
]

# The setting says where each one's adapter is; SHIPPING_CARRIER names one of them.
CARRIERS: dict[str, type[Carrier]] = {name: import_string(path) for name, path in settings.SHIPPING_CARRIERS.items()}


def carrier_named(name: str) -> Carrier:
    """Return the carrier of that name. Raises: KeyError where there is none."""
    return CARRIERS[name]()
