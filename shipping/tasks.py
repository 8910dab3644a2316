"""The sweeps of shipping."""

from __future__ import annotations

from shipping.services import booking, surplus, unbooking
from shop.work.sweeps import sweep


@sweep(every_seconds=5, at_once=4, due=booking.BOOKING.rows.due)
def book_due_shipments() -> int:
    """Ask the carrier to take the parcels that wait."""
    return booking.book_due_shipments()


@sweep(every_seconds=2, due=booking.TRACKING.rows.due)
def track_shipments() -> int:
    """Ask the carriers how far the parcels are that are due to be asked about."""
    return booking.track_shipments()


@sweep(every_seconds=30, due=booking.VOIDING.rows.due)
def void_canceled_bookings() -> int:
    """Take back at the carrier what canceled shipments had booked."""
    return booking.void_canceled_bookings()


@sweep(every_seconds=5, due=surplus.TAKING_BACK.rows.due)
def take_back_surplus_bookings() -> int:
    """Take back at the carrier what was booked a second time."""
    return surplus.take_back_surplus_bookings()


@sweep(every_seconds=5, due=unbooking.TAKING_BACK.rows.due)
def take_back_held_bookings() -> int:
    """Take back at the carrier what was booked of parcels that a dispute holds."""
    return unbooking.take_back_held_bookings()
