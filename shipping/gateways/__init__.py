"""The carriers: what shipping asks of one, and the adapters it can ask. Never called inside a transaction."""

from __future__ import annotations

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
from shipping.gateways.sandbox import SandboxCarrier

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
    "SandboxCarrier",
    "carrier_named",
]

# SHIPPING_CARRIER names one of these; another company's adapter is a class beside them and a line here.
CARRIERS: dict[str, type[Carrier]] = {"manual": ManualCarrier, "sandbox": SandboxCarrier}


def carrier_named(name: str) -> Carrier:
    """Return the carrier of that name. Raises: KeyError where there is none."""
    return CARRIERS[name]()
