"""Surplus bookings, taken back at the carrier: each is a row that stays due until the carrier has given it up."""

from __future__ import annotations

import structlog
from django.db.models.functions import Now

from shipping import gateways
from shipping.gateways import CarrierRefused
from shipping.models import SurplusBooking
from shipping.services import due
from shop import transactions
from shop.errors import Refusal
from shop.observability.tracing import private_call_span
from shop.work.background import wake
from shop.work.turn import take_turn

log = structlog.get_logger(__name__)


class SurplusBookingSettled(Refusal):
    """Nothing is left to take back."""

    code = "surplus_booking_settled"
    title = "The surplus booking is taken back or settled already"


def take_back_surplus_bookings() -> int:
    """Take a turn at taking surplus bookings back at their carriers; return how many were tried."""
    return take_turn(TAKING_BACK)


def retry_surplus_booking(*, surplus_id: int) -> None:
    """Ask the carrier again, now: after a refusal whose cause is gone, or without waiting for the backoff.

    Raises: SurplusBookingSettled.
    """
    with transactions.transaction("shipping"):
        _change_open(surplus_id, due_at=Now(), attempts=0, last_error="")
        wake("shipping.take_back_surplus_bookings", context="shipping")


def settle_surplus_booking(*, surplus_id: int) -> None:
    """Record that staff have settled the booking with the carrier; the carrier's last answer stays on record.

    Raises: SurplusBookingSettled.
    """
    with transactions.transaction("shipping"):
        _change_open(surplus_id, due_at=None, taken_back_at=Now())


def _change_open(surplus_id: int, **columns: object) -> None:
    if not SurplusBooking.objects.filter(pk=surplus_id, taken_back_at=None).update(**columns):
        raise SurplusBookingSettled(surplus_id=surplus_id)


def _take_back(surplus: SurplusBooking) -> None:
    facts = {"order_id": str(surplus.order_id), "carrier": surplus.carrier, "reference": surplus.carrier_reference}
    still_open = SurplusBooking.objects.filter(pk=surplus.pk, taken_back_at=None)
    try:
        with private_call_span("carrier void", order_id=str(surplus.order_id)):
            gateways.carrier_named(surplus.carrier).void(carrier_reference=surplus.carrier_reference)
    except CarrierRefused as refusal:
        # It has left: staff settle it with the carrier, and the audit names it until they have.
        error = f"{refusal.code}: {refusal}"[-4000:]
        with transactions.transaction("shipping"):
            still_open.update(due_at=None, attempts=surplus.attempts + 1, last_error=error)
        log.error("shipment.surplus_refused", **facts, error=error)  # noqa: TRY400  an answer, no bug
        return
    with transactions.transaction("shipping"):
        still_open.update(due_at=None, taken_back_at=Now(), last_error="")
    log.info("shipment.surplus_taken_back", **facts)


TAKING_BACK = due.work("take_back_surplus_bookings", due.surplus_bookings(), _take_back)
