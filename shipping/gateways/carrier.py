"""What shipping asks of a carrier, in the shop's own words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from shipping.rules import Stage
from shop.errors import Fault, Refusal


@dataclass(frozen=True)
class Address:
    """Where the parcel goes. It is passed on and never stored, logged or put into an error's text."""

    name: str = field(repr=False)
    line1: str = field(repr=False)
    line2: str = field(repr=False)
    city: str = field(repr=False)
    postal_code: str = field(repr=False)
    region: str = field(repr=False)
    country: str


@dataclass(frozen=True)
class ParcelLine:
    """One kind of article in the parcel."""

    sku: str
    quantity: int


@dataclass(frozen=True)
class Parcel:
    """What is in the parcel."""

    lines: tuple[ParcelLine, ...]


@dataclass(frozen=True)
class Booking:
    """A carrier's yes. `check_after_seconds` says when to ask how far the parcel is; None: never, staff say it."""

    carrier_reference: str
    tracking_number: str = ""
    label_url: str = ""
    check_after_seconds: float | None = None


@dataclass(frozen=True)
class Progress:
    """How far a parcel is; `check_after_seconds` as in Booking."""

    stage: Stage
    tracking_number: str = ""
    check_after_seconds: float | None = None


class CarrierRefused(Refusal):
    """The carrier will not take this parcel, however often it is asked: a human decides."""

    code = "carrier_refused"
    title = "The carrier refused the parcel"


class CarrierUnavailable(Fault):
    """The carrier did not answer, or its answer cannot be used; what it did with the request is unknown."""

    code = "carrier_unavailable"
    title = "The carrier is unavailable"
    fact_types = {"order_id": UUID | None}


class Carrier(Protocol):
    """A company that takes parcels.

    Most have no idempotency keys, so the reference is stored before `book`, and whoever may have asked before calls
    `find` first. An adapter limits the time of each whole exchange, not of each read alone, and turns trouble into the two errors above.
    """

    def find(self, *, reference: UUID) -> Booking | None:
        """Return the booking made under this reference, None where there is none. Raises: CarrierUnavailable."""
        ...

    def book(self, *, reference: UUID, address: Address, parcel: Parcel) -> Booking:
        """Have the parcel collected. Raises: CarrierRefused, CarrierUnavailable (it may be booked all the same)."""
        ...

    def track(self, *, carrier_reference: str) -> Progress:
        """Say how far the parcel is. Raises: CarrierUnavailable."""
        ...

    def void(self, *, carrier_reference: str) -> None:
        """Take a booking back; harmless to repeat. Raises: CarrierRefused (it has left), CarrierUnavailable."""
        ...
