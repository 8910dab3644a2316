"""Asking the carrier: book what is PENDING, follow what is on its way, take back what was canceled.

Each piece is claimed by pushing its `due_at` ahead (committed), then the outside is asked without any transaction, then
the answer is recorded by compare-and-set. A crash in between costs the lease; the next to come asks the carrier what
it knows of the reference before it books again. The address is read from the order here and forgotten here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db.models.functions import Coalesce, Now

from orders import api as orders
from shipping import gateways
from shipping.gateways import Address, CarrierRefused, Parcel, ParcelLine
from shipping.models import Shipment, ShipmentStatus
from shipping.rules import Stage
from shipping.services import bookings
from shipping.services.shipments import confirm_delivery, dispatch_shipment
from shop import transactions
from shop.errors import Fault, Refusal

log = structlog.get_logger(__name__)

BATCH = 50
LEASE_SECONDS = 60


def book_due_shipments() -> int:
    """Ask the carrier to take every parcel whose moment has come; return how many were tried."""
    return _each_due({ShipmentStatus.PENDING}, _book)


def track_shipments() -> int:
    """Ask the carrier how far every parcel is whose moment has come; return how many were asked about."""
    return _each_due({ShipmentStatus.BOOKED, ShipmentStatus.DISPATCHED}, _track)


def void_canceled_bookings() -> int:
    """Take back at the carrier what was booked, or may have been, for canceled shipments; return how many."""
    return _each_due({ShipmentStatus.CANCELED}, _void)


def _each_due(statuses: set[ShipmentStatus], work: Callable[[Shipment, bool], None]) -> int:
    """Claim and work one shipment at a time, so that each has its whole lease."""
    transactions.forbid()
    done = 0
    while done < BATCH and (claimed := _claim(statuses)):
        shipment, asked_before = claimed
        done += 1
        try:
            work(shipment, asked_before)
        except Fault as error:
            log.warning("shipment.carrier_failed", order_id=str(shipment.order_id), error=error.code)
            _postpone(shipment, f"{error.code}: {error}")
        except Exception as error:
            # A bug, or an adapter that lets a library's error through: note it, let it rise, keep the row for later.
            _postpone(shipment, type(error).__name__)
            raise
    return done


def _postpone(shipment: Shipment, error: str) -> None:
    """Try again after a backoff; a shipment canceled meanwhile keeps the moment that its cancellation set."""
    if Shipment.objects.filter(pk=shipment.pk, status=shipment.status).exists():
        Shipment.postpone(shipment.pk, error=error, attempts=shipment.attempts + 1)


def _claim(statuses: set[ShipmentStatus]) -> tuple[Shipment, bool] | None:
    """Take the shipment that has waited longest; also say whether its carrier may have been asked to book before.

    For one that is about to be booked this commits, before the call, which carrier is asked.
    """
    with transactions.transaction("shipping"):
        shipment = (
            Shipment.objects.select_for_update(skip_locked=True)
            .filter(due_at__lte=Now(), status__in=statuses)
            .order_by("due_at")
            .first()
        )
        if shipment is None:
            return None
        columns: dict[str, object] = {"due_at": Now() + timedelta(seconds=LEASE_SECONDS)}
        asked_before = shipment.carrier_asked_at is not None
        if shipment.status == ShipmentStatus.PENDING:
            shipment.carrier = shipment.carrier or settings.SHIPPING_CARRIER
            columns |= {"carrier": shipment.carrier, "carrier_asked_at": Coalesce("carrier_asked_at", Now())}
        Shipment.objects.filter(pk=shipment.pk).update(**columns)
    return shipment, asked_before


def _book(shipment: Shipment, asked_before: bool) -> None:
    carrier = gateways.carrier_named(shipment.carrier)
    try:
        booking = carrier.find(reference=shipment.pk) if asked_before else None
        if booking is None:
            address, parcel = _what_goes_where(shipment.order_id)
            booking = carrier.book(reference=shipment.pk, address=address, parcel=parcel)
    except Refusal as refusal:
        _record_refusal(shipment, refusal)
        return
    bookings.record_booking(shipment, booking)


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


def _track(shipment: Shipment, _asked_before: bool) -> None:
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


def _void(shipment: Shipment, _asked_before: bool) -> None:
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
