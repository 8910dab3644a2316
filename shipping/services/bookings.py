"""What a carrier has booked, written down: also by whoever stops the parcel, so this reads nothing of other contexts."""

from __future__ import annotations

import structlog
from django.db.models.functions import Now

from shipping.events import ShipmentBooked
from shipping.gateways import Booking
from shipping.models import Shipment, ShipmentStatus, SurplusBooking
from shop import transactions
from shop.events.outbox import fact
from shop.events.publishing import announce
from shop.statements import Statement
from shop.work.background import wake

log = structlog.get_logger(__name__)

RECORD_BOOKING = Statement("shipping", "record_booking")


def record_booking(shipment: Shipment, booking: Booking) -> bool:
    """Write down what the carrier has booked; True where the shipment is canceled, so that the booking has to go back.

    The canceled row is then due for that, as a surplus booking is for one that was booked a second time.
    Raises: whatever the transaction raises; the row then stays due, and the carrier is asked for the booking again.
    """
    details = {
        "carrier": shipment.carrier,
        "carrier_reference": booking.carrier_reference,
        "tracking_number": booking.tracking_number,
        "label_url": booking.label_url,
    }
    booked = _book(shipment, booking, details)
    too_late, known = (False, True) if booked else _settle_late(shipment, booking, details)
    facts = {"order_id": str(shipment.order_id), "carrier": shipment.carrier, "reference": booking.carrier_reference}
    if not known:
        log.warning("shipment.booked_twice", **facts)
    else:
        log.info("shipment.booked" if booked else "shipment.booked_too_late", **facts)
    return too_late


def _book(shipment: Shipment, booking: Booking, details: dict[str, str]) -> bool:
    """Move a shipment that is still PENDING to BOOKED, with its fact; return whether it was."""
    event = ShipmentBooked(order_id=shipment.order_id, carrier=shipment.carrier)
    Shipment.status_after(event, expected={ShipmentStatus.PENDING})
    with transactions.single("shipping"):
        # Lost in a crash, the carrier, which the claim has written down, is asked for the booking again.
        moved = RECORD_BOOKING.one(
            asynchronous=True,
            shipment_id=shipment.pk,
            after_seconds=booking.check_after_seconds,
            **details,
            **fact(event),
        )
        if moved is not None:
            announce(event)
    return moved is not None


def _settle_late(shipment: Shipment, booking: Booking, details: dict[str, str]) -> tuple[bool, bool]:
    """Note a booking whose shipment is PENDING no more; return whether it came after its cancellation, and was known."""
    with transactions.transaction("shipping"):
        rows = Shipment.objects.filter(pk=shipment.pk)
        # Canceled while the carrier was being asked: the row remembers what it made of it.
        too_late = rows.filter(status=ShipmentStatus.CANCELED).update(due_at=Now(), **details) > 0
        # Whoever was faster has recorded the booking that the carrier found, or one of their own.
        known = too_late or rows.filter(carrier_reference=booking.carrier_reference).exists()
        if not known:
            _remember_surplus(shipment, booking)
    return too_late, known


def _remember_surplus(shipment: Shipment, booking: Booking) -> None:
    """Record, once, a second booking made by a worker that had lost its lease, so that it is taken back."""
    row = SurplusBooking(
        shipment_id=shipment.pk,
        order_id=shipment.order_id,
        carrier=shipment.carrier,
        carrier_reference=booking.carrier_reference,
        due_at=Now(),
    )
    SurplusBooking.objects.bulk_create([row], ignore_conflicts=True)
    wake("shipping.take_back_surplus_bookings", context="shipping")
