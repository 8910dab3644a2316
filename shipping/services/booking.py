"""Asking the carrier: book what is PENDING, follow what is on its way, take back what was canceled.

Each piece is claimed (due.py), then the outside is asked without any transaction, then the answer is recorded by
compare-and-set. After a crash in between, the next worker asks the carrier what it knows of the reference before it
books again. The address is read from the order here and forgotten here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta

import structlog
from django.conf import settings
from django.db.models import Case, DateTimeField, F, Func, Value, When
from django.db.models.functions import Now

from orders import api as orders
from shipping import gateways
from shipping.gateways import Address, CarrierRefused, Parcel, ParcelLine
from shipping.models import TRACKED, Shipment, ShipmentStatus
from shipping.rules import Stage
from shipping.services import bookings, due
from shipping.services.holds import NOT_HELD
from shipping.services.shipments import ShipmentAlreadyDispatched, confirm_delivery, dispatch_shipment
from shop import transactions
from shop.errors import Refusal
from shop.observability.tracing import private_call_span
from shop.work.turn import take_turn

log = structlog.get_logger(__name__)


class AddressErased(Refusal):
    """The order's address is erased: no carrier is given it, whoever asks."""

    code = "address_erased"
    title = "The recipient's data was erased; there is no address to send to"


def book_due_shipments() -> int:
    """Take a turn at the parcels that wait for a carrier; return how many were tried."""
    return take_turn(BOOKING, carrier=settings.SHIPPING_CARRIER)


def track_shipments() -> int:
    """Take a turn at asking the carriers how far parcels are; return how many were asked about."""
    return take_turn(TRACKING)


def void_canceled_bookings() -> int:
    """Take a turn at taking back what was booked, or may have been, for canceled shipments; return how many."""
    return take_turn(VOIDING)


def _book_together(parcels: Sequence[Shipment]) -> Callable[[Shipment], None]:
    """Return `_book` for these shipments, which knows their orders."""
    known = orders.find_orders(order_ids=[shipment.order_id for shipment in parcels])
    return lambda shipment: _book(shipment, known.get(shipment.order_id))


def _book(shipment: Shipment, known: orders.OrderState | None = None) -> None:
    asked_before = shipment.carrier_asked_at is not None  # an earlier worker asked and recorded no answer
    shipment.carrier = shipment.carrier or settings.SHIPPING_CARRIER  # as the claim has recorded
    carrier = gateways.carrier_named(shipment.carrier)
    try:
        with private_call_span("carrier book", order_id=str(shipment.order_id)):
            booking = carrier.find(reference=shipment.pk) if asked_before else None
            if booking is None:
                address, parcel = _what_goes_where(known or orders.get_order(order_id=shipment.order_id))
                booking = carrier.book(reference=shipment.pk, address=address, parcel=parcel)
    except Refusal as refusal:
        _record_refusal(shipment, refusal)
        return
    if bookings.record_booking(shipment, booking):
        # At once, so that the parcel has no time to leave. The row is due as well, and keeps a refusal for staff.
        with suppress(CarrierRefused):
            carrier.void(carrier_reference=booking.carrier_reference)


def _what_goes_where(order: orders.OrderState) -> tuple[Address, Parcel]:
    if order.erased:
        raise AddressErased(order_id=str(order.order_id))
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
    with private_call_span("carrier track", order_id=str(shipment.order_id)):
        progress = gateways.carrier_named(shipment.carrier).track(carrier_reference=shipment.carrier_reference)
    try:
        if progress.stage in (Stage.DISPATCHED, Stage.DELIVERED) and shipment.status == ShipmentStatus.BOOKED:
            number = progress.tracking_number or shipment.tracking_number
            dispatch_shipment(shipment_id=shipment.pk, tracking_number=number, seen_by_carrier=True)
        if progress.stage == Stage.DELIVERED:
            confirm_delivery(shipment_id=shipment.pk)
            return
    except ShipmentAlreadyDispatched:
        # Staff were faster, under another number: at once, so that a parcel that has arrived is seen as theirs.
        _check_again(shipment, 0)
        return
    except Refusal as refusal:
        # It has no number, or the order was canceled while the parcel left: the row says which.
        log.warning("shipment.progress_refused", order_id=str(shipment.order_id), code=refusal.code)
    _check_again(shipment, progress.check_after_seconds)


def _check_again(shipment: Shipment, after_seconds: float | None) -> None:
    later = Value(None) if after_seconds is None else Now() + timedelta(seconds=after_seconds)
    # Made due while the carrier was being asked: a dispute holds the parcel now, and its booking is to be taken back.
    due_at = Case(
        When(status=ShipmentStatus.BOOKED, due_at__lte=_this_moment(), then=F("due_at")),
        default=later,
        output_field=DateTimeField(),
    )
    with transactions.transaction("shipping"):
        # Staff may have handed the parcel to another carrier meanwhile: that one is never asked.
        Shipment.objects.filter(pk=shipment.pk, status__in=TRACKED, carrier=shipment.carrier).update(
            due_at=due_at, attempts=0, last_error=""
        )


def _this_moment() -> Func:
    """Return the moment at which the row is read, also where the statement has waited for it."""
    return Func(function="clock_timestamp", output_field=DateTimeField())


def _void(shipment: Shipment) -> None:
    carrier = gateways.carrier_named(shipment.carrier)
    error, seen = "", set()
    while (booking := carrier.find(reference=shipment.pk)) is not None and booking.carrier_reference not in seen:
        seen.add(booking.carrier_reference)
        try:
            with private_call_span("carrier void", order_id=str(shipment.order_id)):
                carrier.void(carrier_reference=booking.carrier_reference)
        except CarrierRefused as refusal:
            error = f"{refusal.code}: {refusal}"
    with transactions.transaction("shipping"):
        Shipment.objects.filter(pk=shipment.pk, status=ShipmentStatus.CANCELED).update(due_at=None, last_error=error)
    if error:
        log.error("shipment.void_refused", order_id=str(shipment.order_id), carrier=shipment.carrier, error=error)
    else:
        log.info("shipment.booking_voided", order_id=str(shipment.order_id), found=bool(seen))


BOOKING = due.work(
    "book_due_shipments",
    due.shipments("to_book", ShipmentStatus.PENDING, also=due.NAME_CARRIER, provided=NOT_HELD),
    _book,
    together=_book_together,
    at_a_time=20,
)
TRACKING = due.work(
    "track_shipments",
    due.shipments(
        "on_the_way",
        *TRACKED,
        provided=f"(due.status = 'DISPATCHED' OR {NOT_HELD})",
    ),
    _track,
)
VOIDING = due.work("void_canceled_bookings", due.shipments("canceled", ShipmentStatus.CANCELED), _void)
