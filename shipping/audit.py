"""What `manage.py audit` asks of shipping: I8 and I9 from its own outbox and inbox, I10 from what is overdue."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.db.models.functions import Now

from shipping.events import ShipmentBooked, ShipmentCanceled, ShipmentCreated, ShipmentDelivered, ShipmentDispatched
from shipping.models import Shipment, ShipmentStatus, SurplusBooking
from shop.audit import Check, Violation, register_check
from shop.clock import now
from shop.events.history import register_history_checks, register_inbox_check

OVERDUE = timedelta(minutes=15)


def register() -> None:
    """Have these checks run with every audit."""
    register_history_checks(
        context="shipping",
        model=Shipment,
        noun="shipment",
        status_after={
            ShipmentCreated.type: ShipmentStatus.PENDING,
            ShipmentBooked.type: ShipmentStatus.BOOKED,
            ShipmentDispatched.type: ShipmentStatus.DISPATCHED,
            ShipmentDelivered.type: ShipmentStatus.DELIVERED,
            ShipmentCanceled.type: ShipmentStatus.CANCELED,
        },
        born={ShipmentStatus.PENDING, ShipmentStatus.CANCELED},
        since_field="created_at",
    )
    register_inbox_check("shipping")
    register_check(Check("I10", "shipping", "no shipment's work is overdue", _overdue))
    register_check(Check("I10", "shipping", "no surplus booking is left at the carrier", _left_at_carrier))


def _overdue() -> Iterator[Violation]:
    for shipment in Shipment.objects.filter(due_at__lt=Now() - OVERDUE).order_by("due_at"):
        yield Violation(
            "I10", f"shipment {shipment.pk}", f"{shipment.status}, due since {shipment.due_at}: nobody works"
        )


def _left_at_carrier() -> Iterator[Violation]:
    for surplus in SurplusBooking.objects.filter(taken_back_at=None).order_by("recorded_at"):
        subject = f"surplus booking {surplus.pk}"
        if surplus.due_at is None:
            yield Violation("I10", subject, f"{surplus}: given up, {surplus.last_error}")
        elif surplus.due_at < now() - OVERDUE:
            yield Violation("I10", subject, f"{surplus}: due since {surplus.due_at}, nobody works")
