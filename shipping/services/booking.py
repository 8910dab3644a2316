"""Asking the carrier: book what is PENDING, follow what is on its way, take back what was canceled.

Each piece is claimed (leases.py), then the outside is asked without any transaction, then the answer is recorded by
compare-and-set. After a crash in between the next to come asks the carrier what it knows of the reference before it
books again. The address is read from the order here and forgotten here.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Coalesce, Now

from orders import api as orders
from shipping import gateways
from shipping.gateways import Address, CarrierRefused, Parcel, ParcelLine
from shipping.models import Shipment, ShipmentStatus
from shipping.rules import Stage
from shipping.services import bookings, leases
from shipping.services.shipments import confirm_delivery, dispatch_shipment
from shop import transactions
from shop.errors import Refusal

log = structlog.get_logger(__name__)


def book_due_shipments() -> int:
    """Ask the carrier to take every parcel whose moment has come; return how many were tried."""
    return leases.work_each_due(rows=_shipments(ShipmentStatus.PENDING), work=_book, marks=_name_carrier)


def track_shipments() -> int:
    """Ask the carrier how far every parcel is whose moment has come; return how many were asked about."""
    return leases.work_each_due(rows=_shipments(ShipmentStatus.BOOKED, ShipmentStatus.DISPATCHED), work=_track)


def void_canceled_bookings() -> int:
    """Take back at the carrier what was booked, or may have been, for canceled shipments; return how many."""
    return leases.work_each_due(rows=_shipments(ShipmentStatus.CANCELED), work=_void)


def _shipments(*statuses: ShipmentStatus) -> QuerySet[Shipment]:
    return Shipment.objects.filter(status__in=statuses)


def _name_carrier(shipment: Shipment) -> dict[str, object]:
    """Settle with the claim, before the call, which carrier is asked, and that it may have been."""
    shipment.carrier = shipment.carrier or settings.SHIPPING_CARRIER
    return {"carrier": shipment.carrier, "carrier_asked_at": Coalesce("carrier_asked_at", Now())}


def _book(shipment: Shipment) -> None:
    asked_before = shipment.carrier_asked_at is not None  # before this claim, by whoever did not tell what came of it
    carrier = gateways.carrier_named(shipment.carrier)
    try:
        booking = carrier.find(reference=shipment.pk) if asked_before else None
        if booking is None:
            address, parcel = _what_goes_where(shipment.order_id)
            booking = carrier.book(reference=shipment.pk, address=address, parcel=parcel)
    except Refusal as refusal:
        _record_refusal(shipment, refusal)
        return
    if bookings.record_booking(shipment, booking):
        # At once, so that the parcel has no time to leave. The row is due as well, and keeps a refusal for staff.
        with suppress(CarrierRefused):
            carrier.void(carrier_reference=booking.carrier_reference)


def _what_goes_where(order_id: UUID) -> tuple[Address, Parcel]:
    order = orders.get_order(order_id=order_id)
    to = order.shipping_address
    address = Address(
        name=to.name,
        line1=to.line1,
        line2=to.line2,
        city=to.city,
        postal_code=to.postal_code,
        region=to.region,
        country=to.country,
    )
    return address, Parcel(tuple(ParcelLine(sku=line.sku, quantity=line.quantity) for line in order.lines))


def _record_refusal(shipment: Shipment, refusal: Refusal) -> None:
    """Leave the shipment PENDING and flagged for staff; the order stays CONFIRMED."""
    with transactions.transaction("shipping"):
        Shipment.objects.filter(pk=shipment.pk, status=ShipmentStatus.PENDING).update(
            due_at=None, refusal_code=refusal.code, last_error=str(refusal)[-4000:]
        )
    log.warning("shipment.refused", order_id=str(shipment.order_id), carrier=shipment.carrier, code=refusal.code)


def _track(shipment: Shipment) -> None:
    progress = gateways.carrier_named(shipment.carrier).track(carrier_reference=shipment.carrier_reference)
    try:
        if progress.stage in (Stage.DISPATCHED, Stage.DELIVERED) and shipment.status == ShipmentStatus.BOOKED:
            number = progress.tracking_number or shipment.tracking_number
            dispatch_shipment(shipment_id=shipment.pk, tracking_number=number)
        if progress.stage == Stage.DELIVERED:
            confirm_delivery(shipment_id=shipment.pk)
            return
    except Refusal as refusal:
        # Staff were faster, or the order was canceled while the parcel left: the row says which.
        log.warning("shipment.progress_refused", order_id=str(shipment.order_id), code=refusal.code)
    _check_again(shipment, progress.check_after_seconds)


def _check_again(shipment: Shipment, after_seconds: float | None) -> None:
    on_its_way = (ShipmentStatus.BOOKED, ShipmentStatus.DISPATCHED)
    due_at = None if after_seconds is None else Now() + timedelta(seconds=after_seconds)
    with transactions.transaction("shipping"):
        # Staff may have handed the parcel to another carrier meanwhile: that one is never asked.
        Shipment.objects.filter(pk=shipment.pk, status__in=on_its_way, carrier=shipment.carrier).update(
            due_at=due_at, attempts=0, last_error=""
        )


def _void(shipment: Shipment) -> None:
    carrier = gateways.carrier_named(shipment.carrier)
    error, seen = "", set()
    while (booking := carrier.find(reference=shipment.pk)) is not None and booking.carrier_reference not in seen:
        seen.add(booking.carrier_reference)
        try:
            carrier.void(carrier_reference=booking.carrier_reference)
        except CarrierRefused as refusal:
            error = f"{refusal.code}: {refusal}"
    with transactions.transaction("shipping"):
        Shipment.objects.filter(pk=shipment.pk, status=ShipmentStatus.CANCELED).update(due_at=None, last_error=error)
    if error:
        log.error("shipment.void_refused", order_id=str(shipment.order_id), carrier=shipment.carrier, error=error)
    else:
        log.info("shipment.booking_voided", order_id=str(shipment.order_id), found=bool(seen))
