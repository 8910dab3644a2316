"""The carrier without software: staff hand the parcel over and type its tracking number in the admin."""

from __future__ import annotations

from uuid import UUID

from shipping.gateways.carrier import Address, Booking, Parcel, Progress
from shipping.rules import Stage


class ManualCarrier:
    """Agrees to everything and knows nothing; the admin's actions say how far the parcel is."""

    def find(self, *, reference: UUID) -> Booking | None:
        """Return the booking: agreeing has no effect outside, so it may be said again."""
        return Booking(carrier_reference=str(reference))

    def book(self, *, reference: UUID, address: Address, parcel: Parcel) -> Booking:
        """Agree; the shipment then waits for staff."""
        return Booking(carrier_reference=str(reference))

    def track(self, *, carrier_reference: str) -> Progress:
        """Know nothing beyond the booking."""
        return Progress(stage=Stage.BOOKED)

    def void(self, *, carrier_reference: str) -> None:
        """Nothing is booked outside, so nothing is taken back."""
