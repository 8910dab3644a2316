"""Facts that shipping publishes. The envelope's subject is the shipment; `order_id` says whose parcel it is."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from shop.events.event import Event


@dataclass(frozen=True, kw_only=True)
class ShipmentCreated(Event):
    """A confirmed order has a shipment, not yet booked with a carrier."""

    type = "shipment.created"
    order_id: UUID


@dataclass(frozen=True, kw_only=True)
class ShipmentBooked(Event):
    """A carrier has agreed to take the parcel."""

    type = "shipment.booked"
    order_id: UUID
    carrier: str


@dataclass(frozen=True, kw_only=True)
class ShipmentUnbooked(Event):
    """The carrier has given the booking back, since a dispute holds the parcel: it is booked again once released."""

    type = "shipment.unbooked"
    order_id: UUID
    carrier: str


@dataclass(frozen=True, kw_only=True)
class ShipmentDispatched(Event):
    """The parcel has left."""

    type = "shipment.dispatched"
    order_id: UUID
    carrier: str
    tracking_number: str


@dataclass(frozen=True, kw_only=True)
class ShipmentDelivered(Event):
    """The parcel has arrived. Says again how it traveled, for those who hear this before the dispatch."""

    type = "shipment.delivered"
    order_id: UUID
    carrier: str
    tracking_number: str


@dataclass(frozen=True, kw_only=True)
class ShipmentCanceled(Event):
    """The parcel will not leave; also said of a shipment that never came to be (the tombstone)."""

    type = "shipment.canceled"
    order_id: UUID
    reason: str
