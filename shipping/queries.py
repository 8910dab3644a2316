"""Reads of shipping: the state that other contexts see, one order's story, and what the dashboard counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import Exists, OuterRef

from shipping.models import MAY_LEAVE, Hold, Shipment, ShipmentStatus, ShippingOption, SurplusBooking
from shipping.rules import Option, Rate
from shop.audit.told import Told, find_told
from shop.counting import shown_count
from shop.events.past import PastFact, facts_about
from shop.money import Money
from shop.remembered import Remembered
from shop.statements import Statement
from shop.states import read_status
from shop.story.timeline import Happening, Story, Upcoming, marked, told_by

CONTEXT = "shipping"
_PAGE = Statement("shipping", "page_shipments")


@dataclass(frozen=True)
class ShipmentState:
    """One shipment as other contexts see it. `tracking_number` may be known before the parcel has left."""

    shipment_id: UUID
    order_id: UUID
    status: ShipmentStatus
    carrier: str
    tracking_number: str
    cancel_reason: str
    dispatched_at: datetime | None
    delivered_at: datetime | None


class ShipmentStanding(NamedTuple):
    """One order's shipment as the audit holds it against the order."""

    order_id: UUID
    shipment_id: UUID
    status: ShipmentStatus
    carrier: str
    tracking_number: str


def page_shipments(*, after: UUID, limit: int) -> list[ShipmentStanding]:
    """Return up to `limit` shipments in the order of their orders' ids, from the first one past `after`."""
    rows = _PAGE.run(after=after, limit=limit)
    return [
        ShipmentStanding(order_id, shipment_id, read_status(ShipmentStatus, status), *rest)
        for order_id, shipment_id, status, *rest in rows
    ]


def find_shipment_fact(*, shipment_id: UUID, event_type: str) -> Told:
    """Return how far the last fact of this type is that was told of a shipment."""
    return find_told("shipping", aggregate_id=shipment_id, event_type=event_type)


def to_state(shipment: Shipment) -> ShipmentState:
    """Return what other contexts may see of a shipment."""
    return ShipmentState(
        shipment_id=shipment.pk,
        order_id=shipment.order_id,
        status=read_status(ShipmentStatus, shipment.status),
        carrier=shipment.carrier,
        tracking_number=shipment.tracking_number,
        cancel_reason=shipment.cancel_reason,
        dispatched_at=shipment.dispatched_at,
        delivered_at=shipment.delivered_at,
    )


def get_shipment(*, order_id: UUID) -> ShipmentState | None:
    """Return the shipment of an order, canceled ones included; None where there is none yet."""
    shipment = Shipment.objects.filter(order_id=order_id).first()
    return to_state(shipment) if shipment else None


def held_now(**which: bool) -> Exists:
    """Return whether a dispute holds the parcel, as an expression for a shipment's row; `which`: columns of such a hold."""
    return Exists(Hold.objects.filter(order_id=OuterRef("order_id"), released_at=None, **which))


def find_hold(order_id: UUID) -> Hold | None:
    """Return what holds the parcel of an order now, None where nothing does; what the bank has yet to decide comes first."""
    return Hold.objects.filter(order_id=order_id, released_at=None).order_by("for_staff", "held_at").first()


def dashboard_figures() -> dict[str, object]:
    """Count what staff look after."""
    waiting = Shipment.objects.filter(status__in=MAY_LEAVE)
    free, held = waiting.exclude(held_now()), waiting.filter(held_now())
    pending = free.filter(status=ShipmentStatus.PENDING)
    return {
        "to book": shown_count(pending.filter(refusal_code="")),
        "refused by the carrier": shown_count(pending.exclude(refusal_code="")),
        "to dispatch": shown_count(free.filter(status=ShipmentStatus.BOOKED)),
        "held until a bank decides": shown_count(held.filter(held_now(for_staff=False))),
        "held for staff to decide": shown_count(held.exclude(held_now(for_staff=False))),
        "on their way": shown_count(Shipment.objects.filter(status=ShipmentStatus.DISPATCHED)),
        "surplus bookings for staff": shown_count(SurplusBooking.objects.filter(taken_back_at=None, due_at=None)),
    }


def tell_story(order_id: UUID) -> Story:
    """Tell what became of an order's parcel, and what happens to it next."""
    shipment = Shipment.objects.filter(order_id=order_id).first()
    if shipment is None:
        return Story()
    surplus = list(SurplusBooking.objects.filter(order_id=order_id).order_by("id"))
    holds = list(Hold.objects.filter(order_id=order_id).order_by("held_at"))
    happened = [*_happened(shipment), *(each for row in surplus for each in _happened_to_surplus(row))]
    happened += [each for hold in holds for each in _happened_to_hold(hold)]
    # What the bank has yet to decide comes first.
    held = find_hold(order_id)
    upcoming = [
        *(_upcoming_for_held(shipment, held) if held else _upcoming(shipment)),
        *(_upcoming_for_surplus(row) for row in surplus if row.taken_back_at is None),
    ]
    return Story(tuple(happened), tuple(upcoming))


def _happened(shipment: Shipment) -> Iterator[Happening]:
    carrier, number = shipment.carrier, shipment.tracking_number
    facts_told = facts_about(CONTEXT, [shipment.pk])
    told = {fact.type: fact for fact in facts_told}
    if shipment.canceled_at is None or shipment.created_at < shipment.canceled_at:
        created = Happening(shipment.created_at, CONTEXT, "the shipment was created", {"shipment_id": shipment.pk})
        yield marked(created, told.get("shipment.created"))
    yield from _happened_before(facts_told)
    moments: list[tuple[str, datetime | None, str, dict[str, object]]] = [
        (
            "shipment.booked",
            shipment.booked_at,
            f"the parcel was booked with {carrier}",
            {"carrier_reference": shipment.carrier_reference},
        ),
        (
            "shipment.dispatched",
            shipment.dispatched_at,
            f"the parcel left with {carrier}",
            {"tracking_number": number},
        ),
        ("shipment.delivered", shipment.delivered_at, "the parcel was delivered", {}),
        (
            "shipment.canceled",
            shipment.canceled_at,
            f"the shipment was canceled{_taken_back(shipment)}",
            {"reason": shipment.cancel_reason},
        ),
    ]
    for fact, at, what, facts in moments:
        if at is not None:
            yield marked(Happening(at, CONTEXT, what, facts), told.get(fact))


def _taken_back(shipment: Shipment) -> str:
    """Return how the booking of a canceled shipment ended: it is taken back before the row is canceled (services/stopping.py)."""
    return "" if shipment.booked_at is None else f", after its booking was taken back at {shipment.carrier}"


def _happened_before(facts: Sequence[PastFact]) -> Iterator[Happening]:
    """Tell the bookings that were taken back for a dispute; the row knows no more than the one that stands."""
    ends = [fact for fact in facts if fact.type == "shipment.unbooked"]
    begun = [fact for fact in facts if fact.type == "shipment.booked"][: len(ends)]
    for fact in begun:
        yield told_by(fact, context=CONTEXT, what=f"the parcel was booked with {fact.payload['carrier']}")
    for fact in ends:
        what = f"the booking was taken back at {fact.payload['carrier']}, since the parcel is held"
        yield told_by(fact, context=CONTEXT, what=what)


def _upcoming(shipment: Shipment) -> Iterator[Upcoming]:
    again = f", attempt {shipment.attempts + 1} (the last failed: {shipment.last_error})" if shipment.attempts else ""
    by_staff = False
    match shipment.status:
        case ShipmentStatus.PENDING if shipment.refusal_code:
            by_staff = True
            what = f"staff decide: the carrier refused the parcel ({shipment.refusal_code}: {shipment.last_error})"
        case ShipmentStatus.PENDING:
            what = f"the carrier is asked{' again' if again else ''} to take the parcel{again}"
        case ShipmentStatus.BOOKED if shipment.due_at is None:
            by_staff, what = True, "staff hand the parcel over and enter its tracking number"
        case ShipmentStatus.DISPATCHED if shipment.due_at is None:
            by_staff, what = True, "staff mark the parcel as delivered"
        case ShipmentStatus.BOOKED | ShipmentStatus.DISPATCHED:
            what = f"the carrier is asked{' again' if again else ''} how far the parcel is{again}"
        case ShipmentStatus.CANCELED if shipment.due_at is not None:
            what = f"{_last_look(shipment)}{again}"
        case _:
            return
    yield Upcoming(CONTEXT, what, shipment.due_at, by_staff=by_staff)


def _last_look(shipment: Shipment) -> str:
    """Return what the carrier is still asked about a canceled shipment: a request that was under way may have booked it."""
    if shipment.booked_at is not None:
        return "the carrier is asked for a second booking of the parcel; one that it has is taken back"
    if shipment.carrier_reference:
        return "the booking, which came after the cancel, is taken back at the carrier"
    return "the carrier is asked whether it has booked the parcel after all; if so, the booking is taken back"


def _happened_to_hold(hold: Hold) -> Iterator[Happening]:
    facts: dict[str, object] = {"dispute_id": hold.dispute_id}
    yield Happening(hold.held_at, CONTEXT, "the parcel was held, since its payment is disputed", facts)
    if hold.released_at is not None:
        by = "staff released the held parcel" if hold.released_by_staff else "the held parcel was released"
        yield Happening(hold.released_at, CONTEXT, by, facts)


def _upcoming_for_held(shipment: Shipment, hold: Hold) -> Iterator[Upcoming]:
    if shipment.status not in MAY_LEAVE:
        yield from _upcoming(shipment)
        return
    if shipment.status == ShipmentStatus.BOOKED:
        yield Upcoming(
            CONTEXT, f"the booking is taken back at {shipment.carrier}, if the parcel is still here", shipment.due_at
        )
    if hold.for_staff:
        yield Upcoming(
            CONTEXT, f"staff decide: {why_held(hold)}; cancel the order, or release its parcel", by_staff=True
        )
    else:
        yield Upcoming(CONTEXT, "the parcel waits until the customer's bank has decided the dispute")


def why_held(hold: Hold) -> str:
    """Return why a hold keeps its parcel, for staff."""
    if not hold.for_staff:
        return "the customer's bank has yet to decide the dispute of its payment"
    return "its money went back in full" if hold.money_is_back else "its money was lost to a dispute"


def _happened_to_surplus(row: SurplusBooking) -> Iterator[Happening]:
    facts: dict[str, object] = {"carrier_reference": row.carrier_reference}
    yield Happening(row.recorded_at, CONTEXT, f"the parcel was booked once too often with {row.carrier}", facts)
    if row.taken_back_at is not None:
        yield Happening(row.taken_back_at, CONTEXT, f"the surplus booking was settled with {row.carrier}", facts)


def _upcoming_for_surplus(row: SurplusBooking) -> Upcoming:
    if row.due_at is None:
        return Upcoming(CONTEXT, f"staff settle the surplus booking with the carrier ({row.last_error})", by_staff=True)
    return Upcoming(CONTEXT, "the surplus booking is taken back at the carrier", row.due_at)


def _read_options() -> tuple[Option, ...]:
    return tuple(
        Option(
            code=option.code,
            name=option.name,
            days_min=option.days_min,
            days_max=option.days_max,
            position=option.position,
            active=option.active,
            rates=tuple(
                Rate(
                    countries=frozenset(rate.countries),
                    min_weight_grams=rate.min_weight_grams,
                    max_weight_grams=rate.max_weight_grams,
                    price=Money(rate.price_minor, rate.currency),
                    free_from=None if rate.free_from_minor is None else Money(rate.free_from_minor, rate.currency),
                )
                for rate in option.rates.all()
            ),
        )
        for option in ShippingOption.objects.prefetch_related("rates")
    )


# Every option of the shop with its rates, also those that are not active.
OPTIONS: Remembered[tuple[Option, ...]] = Remembered(_read_options)
