"""What a carrier has booked, written down: also by whoever stops the parcel, so this reads nothing of other contexts."""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.db.models.functions import Now

from shipping.events import ShipmentBooked
from shipping.gateways import Booking
from shipping.models import Shipment, ShipmentStatus, SurplusBooking
from shop import transactions
from shop.background import wake
from shop.states import change_status

log = structlog.get_logger(__name__)


def record_booking(shipment: Shipment, booking: Booking) -> bool:
    """Write down what the carrier has booked; True where the shipment is canceled, so that the booking has to go back.

    The canceled row is then due for that, as a surplus booking is for one that was booked a second time.
    Raises: whatever the transaction raises; the row then stays due, and the carrier is asked for the booking again.
    """
    after = booking.check_after_seconds
    details = {
        "carrier": shipment.carrier,
        "carrier_reference": booking.carrier_reference,
        "tracking_number": booking.tracking_number,
        "label_url": booking.label_url,
    }
    with transactions.transaction("shipping"):
        version = change_status(
            Shipment,
            shipment.pk,
            expected={ShipmentStatus.PENDING},
            to=ShipmentStatus.BOOKED,
            event=ShipmentBooked(order_id=shipment.order_id, carrier=shipment.carrier),
            booked_at=Now(),
            due_at=None if after is None else Now() + timedelta(seconds=after),
            attempts=0,
            last_error="",
            refusal_code="",
            **details,
        )
        rows = Shipment.objects.filter(pk=shipment.pk)
        # Canceled while the carrier was being asked: the row remembers what it made of it.
        too_late = version is None and rows.filter(status=ShipmentStatus.CANCELED).update(due_at=Now(), **details) > 0
        # Whoever was faster has recorded the booking that the carrier found, or one of their own.
        known = version is not None or too_late or rows.filter(carrier_reference=booking.carrier_reference).exists()
        if not known:
            _remember_surplus(shipment, booking)
    facts = {"order_id": str(shipment.order_id), "carrier": shipment.carrier, "reference": booking.carrier_reference}
    if not known:
        log.warning("shipment.booked_twice", **facts)
    else:
        log.info("shipment.booked_too_late" if version is None else "shipment.booked", **facts)
    return too_late


def _remember_surplus(shipment: Shipment, booking: Booking) -> None:
    """Note, once, what was booked a second time by a worker so slow that another had taken its turn: it is taken back."""
    row = SurplusBooking(
        shipment_id=shipment.pk,
        order_id=shipment.order_id,
        carrier=shipment.carrier,
        carrier_reference=booking.carrier_reference,
        due_at=Now(),
    )
    SurplusBooking.objects.bulk_create([row], ignore_conflicts=True)
    wake("shipping.take_back_surplus_bookings", context="shipping")
