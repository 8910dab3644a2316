"""Stopping a parcel. Only its carrier knows whether it has left, so the carrier is asked before anything is written."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

import structlog

from shipping import gateways
from shipping.gateways import CarrierRefused, CarrierUnavailable
from shipping.models import Shipment, ShipmentStatus
from shipping.queries import ShipmentState
from shipping.services.bookings import record_booking
from shipping.services.shipments import close_shipment, dispatch_shipment
from shop import transactions
from shop.errors import Refusal
from shop.observability.tracing import private_call_span

log = structlog.get_logger(__name__)

ROUNDS = 5


def cancel_shipment(*, order_id: UUID, reason: str) -> ShipmentState:
    """Keep the parcel of an order from leaving, also one whose shipment is not created yet (a tombstone).

    What is booked, or may be since an answer of the carrier is missing, is taken back there first. Where the carrier
    refuses that, the parcel has left: the shipment is DISPATCHED and nothing is canceled. Idempotent: a crash in between
    leaves the booking taken back, and the next call takes it back again.
    Raises: ShipmentAlreadyDispatched, CarrierUnavailable (nothing is canceled: call again).
    """
    transactions.forbid()
    for _round in range(ROUNDS):
        shipment = Shipment.objects.filter(order_id=order_id).first()
        if shipment is not None and settle_doubt(shipment):
            continue
        booked = shipment if shipment is not None and shipment.status == ShipmentStatus.BOOKED else None
        taken_back = booked is not None and take_back(booked)
        closed = close_shipment(order_id=order_id, reason=reason, taken_back=taken_back)
        if closed is not None:
            return closed
    raise CarrierUnavailable("the shipment keeps moving", order_id=order_id)


def settle_doubt(shipment: Shipment) -> bool:
    """Write down a booking that the carrier has made without our knowing; False where there is no doubt, or none found.

    A request to book that is under way at this very moment is not found: it is looked for once more when it has settled.
    """
    in_doubt = shipment.status == ShipmentStatus.PENDING and shipment.carrier_asked_at
    booking = gateways.carrier_named(shipment.carrier).find(reference=shipment.pk) if in_doubt else None
    if booking is not None:
        record_booking(shipment, booking)
    return booking is not None


def take_back(shipment: Shipment) -> bool:
    """Take the booking back; False where the carrier has the parcel already, which is then on record."""
    carrier = gateways.carrier_named(shipment.carrier)
    try:
        with private_call_span("carrier void", order_id=str(shipment.order_id)):
            carrier.void(carrier_reference=shipment.carrier_reference)
    except CarrierRefused:
        log.warning("shipment.left_before_stop", order_id=str(shipment.order_id), carrier=shipment.carrier)
        progress = carrier.track(carrier_reference=shipment.carrier_reference)
        number = progress.tracking_number or shipment.tracking_number or shipment.carrier_reference
        with suppress(Refusal):  # somebody else has recorded it already, or canceled the shipment: the row tells
            dispatch_shipment(shipment_id=shipment.pk, tracking_number=number, seen_by_carrier=True)
        return False
    log.info("shipment.booking_voided", order_id=str(shipment.order_id), found=True)
    return True
