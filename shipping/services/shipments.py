"""What can be done with a shipment. One function is one transaction; none of them calls anything outside.

`create_shipment` and `create_shipments` are the exception: they run in the transaction of the events they follow from.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import structlog
from django.conf import settings
from django.db.models import Case, When
from django.db.models.functions import Now

from shipping import rules
from shipping.events import ShipmentCanceled, ShipmentCreated, ShipmentDelivered, ShipmentDispatched, ShipmentUnbooked
from shipping.models import HAS_LEFT, Shipment, ShipmentStatus
from shipping.queries import ShipmentState, to_state
from shipping.services.holds import refuse_held
from shop import transactions
from shop.errors import NotFound, Refusal
from shop.events.outbox import fact
from shop.events.publishing import announce, publish
from shop.ids import new_id
from shop.statements import Statement
from shop.states import change_status
from shop.work import handover
from shop.work.background import wake

log = structlog.get_logger(__name__)

_CREATE = Statement("shipping", "create_shipments")
_BOOKING = "shipping.book_due_shipments"

# Longer than any answer of a carrier takes: a booking that is under way while its shipment is canceled is seen by then.
BOOKING_SETTLES_SECONDS = 120


class ShipmentNotFound(NotFound):
    """No shipment has this id."""

    code = "shipment_not_found"
    title = "No such shipment"


class ShipmentAlreadyDispatched(Refusal):
    """The parcel has left: it can neither be canceled nor leave again under another number."""

    code = "shipment_already_dispatched"
    title = "The parcel has left already"


class ShipmentNotBooked(Refusal):
    """The parcel can't leave before a carrier has agreed to take it."""

    code = "shipment_not_booked"
    title = "No carrier has agreed to take the parcel yet"


class ShipmentNotDispatched(Refusal):
    """What has not left can't arrive."""

    code = "shipment_not_dispatched"
    title = "The parcel has not left yet"


class ShipmentClosed(Refusal):
    """The shipment is canceled; it stays so."""

    code = "shipment_closed"
    title = "The shipment is canceled"


class TrackingNumberUnusable(Refusal):
    """A parcel leaves with a tracking number of 1 to 64 printable characters."""

    code = "tracking_number_unusable"
    title = "Give a tracking number of 1 to 64 characters"
    http_status = 422


class BookingNotOpen(Refusal):
    """There is nothing left to book."""

    code = "booking_not_open"
    title = "The shipment does not wait for a booking"


class BookingInDoubt(Refusal):
    """The carrier may have booked the parcel: only its own answer settles that, and asking goes on."""

    code = "booking_in_doubt"
    title = "The carrier may have booked the parcel already; it is being asked"


def create_shipment(*, order_id: UUID) -> None:
    """Give a confirmed order its shipment, due to be booked, in the open transaction.

    Idempotent by `order_id`; where a cancellation came first its tombstone stands and nothing is created.
    """
    create_shipments([order_id])


def create_shipments(order_ids: Sequence[UUID]) -> None:
    """Give confirmed orders their shipments, in the open transaction and one statement; as `create_shipment`."""
    wanted = {new_id(): order_id for order_id in order_ids}
    events = {key: ShipmentCreated(order_id=order_id) for key, order_id in wanted.items()}
    rows = [{"id": key, "order_id": order_id, **fact(events[key])} for key, order_id in wanted.items()]
    lease = handover.lease_seconds(_BOOKING, rows=len(order_ids))
    shipments = msgspec.json.encode(rows).decode()
    rows_made = _CREATE.run(shipments=shipments, lease=lease, carrier=settings.SHIPPING_CARRIER)
    created = {key: (due_at, held) for key, due_at, held in rows_made}
    leased = []
    for key, order_id in wanted.items():
        if key not in created:
            log.debug("shipment.exists", order_id=str(order_id))
            continue
        announce(events[key])
        log.debug("shipment.created", order_id=str(order_id), shipment_id=str(key))
        due_at, held = created[key]
        if lease is not None and not held:
            leased.append(handover.Leased(key, Shipment(pk=key, order_id=order_id), due_at))
    handover.hand_over(_BOOKING, *leased)
    if created and lease is None:
        wake(_BOOKING, context="shipping")


def close_shipment(*, order_id: UUID, reason: str, taken_back: bool) -> ShipmentState | None:
    """Cancel the shipment of an order, also one that is not created yet (a tombstone); None where it just moved.

    `taken_back`: it was BOOKED, and the carrier has given the booking up; else only a shipment that is not booked is
    canceled. Where its carrier was ever asked, a request may still be under way, or have been carried out twice: what
    the carrier has is looked for once more, and taken back, when that has settled. Idempotent.
    Raises: ShipmentAlreadyDispatched.
    """
    event = ShipmentCanceled(order_id=order_id, reason=reason)
    canceled = {"cancel_reason": reason, "canceled_at": Now()}
    with transactions.transaction("shipping"):
        shipment, created = Shipment.objects.get_or_create(
            order_id=order_id, defaults={"status": Shipment.status_after(event), **canceled}
        )
        if created:
            publish(event, aggregate_id=shipment.pk, aggregate_version=1)
            moved = True
        else:
            moved = _cancel(shipment, event, taken_back=taken_back, **canceled) is not None
        shipment.refresh_from_db()
    if moved:
        log.info("shipment.canceled", order_id=str(order_id), reason=reason, tombstone=created)
    elif shipment.status in HAS_LEFT:
        raise ShipmentAlreadyDispatched(order_id=order_id, status=str(shipment.status))
    return to_state(shipment) if shipment.status == ShipmentStatus.CANCELED else None


def _cancel(shipment: Shipment, event: ShipmentCanceled, *, taken_back: bool, **canceled: Any) -> int | None:
    looked_for = Case(
        When(carrier_asked_at=None, then=None), default=Now() + timedelta(seconds=BOOKING_SETTLES_SECONDS)
    )
    return change_status(
        Shipment,
        shipment.pk,
        expected={ShipmentStatus.BOOKED if taken_back else ShipmentStatus.PENDING},
        event=event,
        due_at=looked_for,
        attempts=0,
        **canceled,
    )


def unbook_shipment(shipment: Shipment) -> bool:
    """Record that the carrier has given this booking back: the shipment is to be booked again; False where it moved."""
    event = ShipmentUnbooked(order_id=shipment.order_id, carrier=shipment.carrier)
    with transactions.transaction("shipping"):
        standing = Shipment.objects.select_for_update().get(pk=shipment.pk)
        if standing.carrier_reference != shipment.carrier_reference:
            return False
        moved = change_status(
            Shipment,
            shipment.pk,
            expected={ShipmentStatus.BOOKED},
            event=event,
            booked_at=None,
            carrier_asked_at=None,
            carrier_reference="",
            tracking_number="",
            label_url="",
            due_at=Now(),
            attempts=0,
            last_error="",
        )
        wake(_BOOKING, context="shipping")
    if moved is not None:
        log.info("shipment.unbooked", order_id=str(shipment.order_id), carrier=shipment.carrier)
    return moved is not None


def dispatch_shipment(
    *, shipment_id: UUID, tracking_number: str, carrier: str | None = None, seen_by_carrier: bool = False
) -> ShipmentState:
    """Record that the parcel has left. `carrier` replaces the booked one's name, where staff used another.

    Idempotent by the tracking number. The booked carrier goes on being asked how far the parcel is; another is not.
    `seen_by_carrier`: its carrier says that it has left, which no hold undoes; staff are to release a held parcel first.
    Raises: ShipmentNotFound, ShipmentNotBooked, ShipmentClosed, ShipmentAlreadyDispatched, TrackingNumberUnusable,
    ShipmentHeld.
    """
    number = rules.clean_tracking_number(tracking_number)
    if not number:
        raise TrackingNumberUnusable
    with transactions.transaction("shipping"):
        shipment = _get(shipment_id)
        if shipment.status == ShipmentStatus.BOOKED and not seen_by_carrier:
            refuse_held(shipment)
        name = carrier or shipment.carrier
        moved = change_status(
            Shipment,
            shipment_id,
            expected={ShipmentStatus.BOOKED},
            event=ShipmentDispatched(order_id=shipment.order_id, carrier=name, tracking_number=number),
            carrier=name,
            tracking_number=number,
            dispatched_at=Now(),
            **({} if name == shipment.carrier else {"due_at": None}),
        )
        shipment.refresh_from_db()
    if moved is None:
        _explain_no_dispatch(shipment, number)
    else:
        log.info("shipment.dispatched", order_id=str(shipment.order_id), carrier=name)
    return to_state(shipment)


def _explain_no_dispatch(shipment: Shipment, number: str) -> None:
    """Raise why the parcel can't leave; return where it has left under this very number."""
    match shipment.status:
        case ShipmentStatus.PENDING:
            raise ShipmentNotBooked(shipment_id=shipment.pk)
        case ShipmentStatus.CANCELED:
            raise ShipmentClosed(shipment_id=shipment.pk)
    if shipment.tracking_number != number:
        raise ShipmentAlreadyDispatched(shipment_id=shipment.pk, tracking_number=shipment.tracking_number)


def confirm_delivery(*, shipment_id: UUID) -> ShipmentState:
    """Record that the parcel has arrived. Idempotent.

    Raises: ShipmentNotFound, ShipmentNotDispatched, ShipmentClosed.
    """
    with transactions.transaction("shipping"):
        shipment = _get(shipment_id)
        moved = change_status(
            Shipment,
            shipment_id,
            expected={ShipmentStatus.DISPATCHED},
            event=ShipmentDelivered(
                order_id=shipment.order_id, carrier=shipment.carrier, tracking_number=shipment.tracking_number
            ),
            delivered_at=Now(),
            due_at=None,
        )
        shipment.refresh_from_db()
    if moved is None and shipment.status == ShipmentStatus.CANCELED:
        raise ShipmentClosed(shipment_id=shipment_id)
    if moved is None and shipment.status != ShipmentStatus.DELIVERED:
        raise ShipmentNotDispatched(shipment_id=shipment_id)
    if moved is not None:
        log.info("shipment.delivered", order_id=str(shipment.order_id))
    return to_state(shipment)


def retry_booking(*, shipment_id: UUID, carrier: str | None = None) -> ShipmentState:
    """Ask the carrier again, now: after a refusal whose cause is gone, or without waiting for the backoff.

    With `carrier` (or after a refusal) the parcel goes to another one: only where no booking can exist already.
    Raises: ShipmentNotFound, BookingNotOpen, BookingInDoubt, ShipmentHeld.
    """
    with transactions.transaction("shipping"):
        shipment = _get(shipment_id)
        if shipment.status != ShipmentStatus.PENDING:
            raise BookingNotOpen(shipment_id=shipment_id, status=str(shipment.status))
        refuse_held(shipment)
        settled = shipment.carrier_asked_at is None or bool(shipment.refusal_code)
        if carrier and not settled:
            raise BookingInDoubt(shipment_id=shipment_id, carrier=shipment.carrier)
        columns: dict[str, object] = {"due_at": Now(), "attempts": 0, "refusal_code": "", "last_error": ""}
        if settled:
            columns |= {"carrier": carrier or "", "carrier_asked_at": None}
        Shipment.objects.filter(pk=shipment_id).update(**columns)
        wake(_BOOKING, context="shipping")
        shipment.refresh_from_db()
    log.info("shipment.booking_retried", order_id=str(shipment.order_id), carrier=shipment.carrier)
    return to_state(shipment)


def _get(shipment_id: UUID) -> Shipment:
    """Lock the row, so that the facts told of a move are those of the row it moves."""
    shipment = Shipment.objects.select_for_update().filter(pk=shipment_id).first()
    if shipment is None:
        raise ShipmentNotFound(shipment_id=shipment_id)
    return shipment
