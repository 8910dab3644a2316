"""Taking back what is booked, or may be, of a parcel that a dispute holds: it is booked again once nothing holds it.

A hold makes the row due, and a booking that is recorded later is due at once. The carrier is asked outside of any
transaction. What it does not give back has left, and is recorded as that.
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.db.models.functions import Now

from shipping.models import MAY_LEAVE, Hold, Shipment, ShipmentStatus
from shipping.services import due
from shipping.services.holds import HELD
from shipping.services.shipments import BOOKING_SETTLES_SECONDS, unbook_shipment
from shipping.services.stopping import settle_doubt, take_back
from shop import transactions
from shop.work.turn import take_turn

log = structlog.get_logger(__name__)


def take_back_held_bookings() -> int:
    """Take a turn at taking back the bookings of held parcels; return how many were tried."""
    return take_turn(TAKING_BACK)


def _take_back(shipment: Shipment) -> None:
    if shipment.status == ShipmentStatus.BOOKED:
        if take_back(shipment):
            unbook_shipment(shipment)
    elif not settle_doubt(shipment):
        _note_nothing_booked(shipment)


def _note_nothing_booked(shipment: Shipment) -> None:
    """End the doubt once a request that was under way when the hold began has settled; look once more until then."""
    settled = Now() - timedelta(seconds=BOOKING_SETTLES_SECONDS)
    with transactions.transaction("shipping"):
        pending = Shipment.objects.filter(pk=shipment.pk, status=ShipmentStatus.PENDING, refusal_code="")
        holds = Hold.objects.filter(order_id=shipment.order_id, released_at=None)
        if holds.exists() and not holds.filter(held_at__gt=settled).exists():
            pending.update(carrier_asked_at=None, due_at=Now(), attempts=0, last_error="")
        elif holds.exists():
            pending.update(due_at=Now() + timedelta(seconds=due.LEASE_SECONDS), attempts=0, last_error="")


TAKING_BACK = due.work(
    "take_back_held_bookings",
    due.shipments(
        "held",
        *MAY_LEAVE,
        provided=f"(due.status = 'BOOKED' OR due.carrier_asked_at IS NOT NULL) AND {HELD}",
    ),
    _take_back,
)
