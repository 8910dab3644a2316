"""Reads of shipping: the state that other contexts see, one order's story, and what the dashboard counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Q

from shipping.models import Shipment, ShipmentStatus, SurplusBooking
from shop.timeline import Happening, Story, Upcoming

CONTEXT = "shipping"


@dataclass(frozen=True)
class ShipmentState:
    """One shipment as other contexts see it. `tracking_number` may be known before the parcel has left."""

    shipment_id: UUID
    order_id: UUID
    status: str
    carrier: str
    tracking_number: str
    cancel_reason: str
    dispatched_at: datetime | None
    delivered_at: datetime | None


def state_of(shipment: Shipment) -> ShipmentState:
    """Return what other contexts may see of a shipment."""
    return ShipmentState(
        shipment_id=shipment.pk,
        order_id=shipment.order_id,
        status=str(shipment.status),
        carrier=shipment.carrier,
        tracking_number=shipment.tracking_number,
        cancel_reason=shipment.cancel_reason,
        dispatched_at=shipment.dispatched_at,
        delivered_at=shipment.delivered_at,
    )


def get_shipment(*, order_id: UUID) -> ShipmentState | None:
    """Return the shipment of an order, canceled ones included; None where there is none yet."""
    shipment = Shipment.objects.filter(order_id=order_id).first()
    return state_of(shipment) if shipment else None


def dashboard_figures() -> dict[str, object]:
    """Count what staff look after."""
    counts = Shipment.objects.aggregate(
        to_book=Count("pk", filter=Q(status=ShipmentStatus.PENDING, refusal_code="")),
        refused_by_the_carrier=Count("pk", filter=Q(status=ShipmentStatus.PENDING) & ~Q(refusal_code="")),
        to_dispatch=Count("pk", filter=Q(status=ShipmentStatus.BOOKED)),
        on_their_way=Count("pk", filter=Q(status=ShipmentStatus.DISPATCHED)),
    )
    counts["booked_too_often_for_staff"] = SurplusBooking.objects.filter(taken_back_at=None, due_at=None).count()
    return {name.replace("_", " "): count for name, count in counts.items()}


def story_of(order_id: UUID) -> Story:
    """Tell what became of an order's parcel, and what happens to it next."""
    shipment = Shipment.objects.filter(order_id=order_id).first()
    if shipment is None:
        return Story()
    surplus = list(SurplusBooking.objects.filter(order_id=order_id).order_by("id"))
    happened = [*_happened(shipment), *(each for row in surplus for each in _happened_to_surplus(row))]
    upcoming = [*_upcoming(shipment), *(_upcoming_for_surplus(row) for row in surplus if row.taken_back_at is None)]
    return Story(tuple(happened), tuple(upcoming))


def _happened(shipment: Shipment) -> Iterator[Happening]:
    carrier, number = shipment.carrier, shipment.tracking_number
    if shipment.canceled_at is None or shipment.created_at < shipment.canceled_at:
        yield Happening(shipment.created_at, CONTEXT, "the shipment was created", {"shipment_id": shipment.pk})
    moments: list[tuple[datetime | None, str, dict[str, object]]] = [
        (
            shipment.booked_at,
            f"the parcel was booked with {carrier}",
            {"carrier_reference": shipment.carrier_reference},
        ),
        (shipment.dispatched_at, f"the parcel left with {carrier}", {"tracking_number": number}),
        (shipment.delivered_at, "the parcel was delivered", {}),
        (shipment.canceled_at, "the shipment was canceled", {"reason": shipment.cancel_reason}),
    ]
    for at, what, facts in moments:
        if at is not None:
            yield Happening(at, CONTEXT, what, facts)


def _upcoming(shipment: Shipment) -> Iterator[Upcoming]:
    again = f", attempt {shipment.attempts + 1} (the last failed: {shipment.last_error})" if shipment.attempts else ""
    match shipment.status:
        case ShipmentStatus.PENDING if shipment.refusal_code:
            what = f"staff decide: the carrier refused the parcel ({shipment.refusal_code}: {shipment.last_error})"
        case ShipmentStatus.PENDING:
            what = f"the carrier is asked{' again' if again else ''} to take the parcel{again}"
        case ShipmentStatus.BOOKED if shipment.due_at is None:
            what = "staff hand the parcel over and enter its tracking number"
        case ShipmentStatus.DISPATCHED if shipment.due_at is None:
            what = "staff mark the parcel as delivered"
        case ShipmentStatus.BOOKED | ShipmentStatus.DISPATCHED:
            what = f"the carrier is asked{' again' if again else ''} how far the parcel is{again}"
        case ShipmentStatus.CANCELED if shipment.due_at is not None:
            what = f"the booking is taken back at the carrier{again}"
        case _:
            return
    yield Upcoming(CONTEXT, what, shipment.due_at)


def _happened_to_surplus(row: SurplusBooking) -> Iterator[Happening]:
    facts: dict[str, object] = {"carrier_reference": row.carrier_reference}
    yield Happening(row.recorded_at, CONTEXT, f"the parcel was booked once too often with {row.carrier}", facts)
    if row.taken_back_at is not None:
        yield Happening(row.taken_back_at, CONTEXT, f"the booking too many was settled with {row.carrier}", facts)


def _upcoming_for_surplus(row: SurplusBooking) -> Upcoming:
    if row.due_at is None:
        return Upcoming(CONTEXT, f"staff settle the booking too many with the carrier ({row.last_error})")
    return Upcoming(CONTEXT, "the booking too many is taken back at the carrier", row.due_at)
