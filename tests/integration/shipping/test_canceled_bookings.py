"""A shipment that is canceled: its booking is taken back first, also one that was under way, in doubt, or found late."""

import pytest

from local.carrier.gateway import LOST_ANSWER_POSTAL_CODE, SandboxCarrier
from local.carrier.models import SandboxBooking
from shipping import api as shipping
from shipping import gateways
from shipping.gateways import Booking, CarrierUnavailable
from shipping.models import Shipment
from shipping.queries import tell_story
from shipping.services import booking, stopping
from shipping.services.bookings import record_booking
from tests.integration.shipping.shipments import make_due


def test_canceled_shipment_takes_its_booking_back_first(shipment_in):
    shipment = shipment_in("BOOKED")

    shipping.cancel_shipment(order_id=shipment.order_id, reason="customer_request")

    assert SandboxBooking.objects.get().voided_at is not None
    make_due(shipment)
    booking.void_canceled_bookings()
    shipment.refresh_from_db()
    assert (shipment.status, shipment.due_at, shipment.last_error) == ("CANCELED", None, "")
    assert booking.void_canceled_bookings() == 0


def told(shipment: Shipment) -> tuple[str, list[str]]:
    """Return what the story tells last of a shipment, and what it says comes next."""
    story = tell_story(shipment.order_id)
    return story.happened[-1].what, [each.what for each in story.upcoming]


def test_the_story_says_that_a_booking_was_taken_back_and_that_another_is_looked_for(shipment_in):
    shipment = shipment_in("BOOKED")
    shipping.cancel_shipment(order_id=shipment.order_id, reason="customer_request")

    canceled = "the shipment was canceled, after its booking was taken back at sandbox"
    assert told(shipment) == (
        canceled,
        ["the carrier is asked for a second booking of the parcel; one that it has is taken back"],
    )
    make_due(shipment)
    booking.void_canceled_bookings()
    assert told(shipment) == (canceled, [])


def test_the_story_of_a_cancel_says_whether_anything_was_booked(shipment_in):
    shipment = shipment_in("PENDING")
    booking.BOOKING.rows.claim(limit=1, carrier="sandbox")
    shipping.cancel_shipment(order_id=shipment.order_id, reason="customer_request")

    looked_for = "the carrier is asked whether it has booked the parcel after all; if so, the booking is taken back"
    assert told(shipment) == ("the shipment was canceled", [looked_for])
    late = Booking(carrier_reference="late")
    shipment.carrier = "sandbox"
    record_booking(shipment, late)
    taken_back = "the booking, which came after the cancel, is taken back at the carrier"
    assert told(shipment) == ("the shipment was canceled", [taken_back])


def test_booking_that_cannot_be_taken_back_means_that_the_parcel_has_left(shipment_in, settings):
    shipment = shipment_in("BOOKED")
    settings.SANDBOX_CARRIER_TRANSIT_SECONDS = 0

    with pytest.raises(shipping.ShipmentAlreadyDispatched):
        shipping.cancel_shipment(order_id=shipment.order_id, reason="customer_request")

    shipment.refresh_from_db()
    assert (shipment.status, shipment.tracking_number) == (
        "DISPATCHED",
        SandboxCarrier().find(reference=shipment.pk).tracking_number,
    )
    make_due(shipment)
    booking.track_shipments()
    shipment.refresh_from_db()
    assert shipment.status == "DELIVERED"


def test_cancel_that_died_after_the_carrier_was_told_is_done_by_the_next(shipment_in, settings):
    shipment = shipment_in("BOOKED")
    SandboxCarrier().void(carrier_reference=shipment.carrier_reference)
    settings.SANDBOX_CARRIER_TRANSIT_SECONDS = 0
    make_due(shipment)
    booking.track_shipments()

    canceled = shipping.cancel_shipment(order_id=shipment.order_id, reason="customer_request")

    assert canceled.status == "CANCELED"


def canceled_while_a_booking_was_under_way(shipment_in):
    """Return a shipment whose carrier got the request to book it only after it was canceled, and from a dead process."""
    shipment = shipment_in("PENDING")
    booking.BOOKING.rows.claim(limit=1, carrier="sandbox")
    shipping.cancel_shipment(order_id=shipment.order_id, reason="customer_request")
    SandboxBooking.objects.create(reference=shipment.pk)
    return shipment


def test_booking_found_late_that_cannot_be_taken_back_is_noted_for_staff(shipment_in, settings):
    shipment = canceled_while_a_booking_was_under_way(shipment_in)
    make_due(shipment)
    settings.SANDBOX_CARRIER_TRANSIT_SECONDS = 0

    booking.void_canceled_bookings()

    shipment.refresh_from_db()
    assert (shipment.status, shipment.due_at) == ("CANCELED", None)
    assert shipment.last_error.startswith("carrier_refused")


def test_everything_that_was_booked_for_a_canceled_shipment_is_taken_back(shipment_in):
    shipment = shipment_in("PENDING", postal_code=LOST_ANSWER_POSTAL_CODE)
    booking.book_due_shipments()
    SandboxBooking.objects.create(reference=shipment.pk)
    shipping.cancel_shipment(order_id=shipment.order_id, reason="customer_request")
    make_due(shipment)

    booking.void_canceled_bookings()

    assert SandboxBooking.objects.filter(voided_at=None).count() == 0


class CancelsMeanwhile(SandboxCarrier):
    """A carrier during whose answer the order is canceled."""

    def book(self, *, reference, address, parcel):
        order_id = Shipment.objects.get(pk=reference).order_id
        shipping.cancel_shipment(order_id=order_id, reason="customer_request")
        return super().book(reference=reference, address=address, parcel=parcel)


def test_order_canceled_while_the_carrier_is_asked_ends_canceled_and_unbooked(shipment_in, monkeypatch):
    monkeypatch.setitem(gateways.CARRIERS, "sandbox", CancelsMeanwhile)
    shipment = shipment_in("PENDING")

    booking.book_due_shipments()

    assert SandboxBooking.objects.get().voided_at is not None, "whoever booked too late has taken it back at once"
    booking.void_canceled_bookings()
    shipment.refresh_from_db()
    assert (shipment.status, shipment.due_at, shipment.last_error) == ("CANCELED", None, "")


def test_booking_in_doubt_is_taken_back_before_its_shipment_is_canceled(shipment_in):
    shipment = shipment_in("PENDING", postal_code=LOST_ANSWER_POSTAL_CODE)
    booking.book_due_shipments()

    canceled = shipping.cancel_shipment(order_id=shipment.order_id, reason="customer_request")

    assert canceled.status == "CANCELED"
    assert SandboxBooking.objects.get().voided_at is not None


def test_parcel_that_left_under_a_booking_in_doubt_is_dispatched_and_not_canceled(shipment_in, settings):
    shipment = shipment_in("PENDING", postal_code=LOST_ANSWER_POSTAL_CODE)
    booking.book_due_shipments()
    settings.SANDBOX_CARRIER_TRANSIT_SECONDS = 0

    with pytest.raises(shipping.ShipmentAlreadyDispatched):
        shipping.cancel_shipment(order_id=shipment.order_id, reason="customer_request")

    shipment.refresh_from_db()
    assert (shipment.status, shipment.tracking_number) == ("DISPATCHED", f"SBX{SandboxBooking.objects.get().pk:09d}")


def test_nothing_is_canceled_while_nobody_knows_whether_the_carrier_has_booked(shipment_in, monkeypatch):
    shipment = shipment_in("PENDING", postal_code=LOST_ANSWER_POSTAL_CODE)
    booking.book_due_shipments()

    def silent(_carrier, *, reference):
        raise CarrierUnavailable

    monkeypatch.setattr(SandboxCarrier, "find", silent)
    with pytest.raises(CarrierUnavailable):
        shipping.cancel_shipment(order_id=shipment.order_id, reason="customer_request")

    shipment.refresh_from_db()
    assert shipment.status == "PENDING"


def test_second_booking_is_looked_for_also_after_the_known_one_was_taken_back(shipment_in):
    shipment = shipment_in("BOOKED")
    SandboxBooking.objects.create(reference=shipment.pk)

    shipping.cancel_shipment(order_id=shipment.order_id, reason="customer_request")
    make_due(shipment)
    booking.void_canceled_bookings()

    assert SandboxBooking.objects.filter(voided_at=None).count() == 0


def test_booking_that_was_under_way_at_the_cancel_is_taken_back_once_it_has_settled(shipment_in):
    shipment = canceled_while_a_booking_was_under_way(shipment_in)

    assert booking.void_canceled_bookings() == 0
    make_due(shipment)
    assert booking.void_canceled_bookings() == 1
    assert SandboxBooking.objects.get().voided_at is not None


class CancelsMeanwhileAndFails(CancelsMeanwhile):
    """A carrier during whose lost answer the order is canceled."""

    def book(self, *, reference, address, parcel):
        super().book(reference=reference, address=address, parcel=parcel)
        raise CarrierUnavailable


def test_failure_after_a_cancellation_leaves_the_booking_its_time_to_settle(shipment_in, monkeypatch):
    monkeypatch.setitem(gateways.CARRIERS, "sandbox", CancelsMeanwhileAndFails)
    shipment = shipment_in("PENDING")

    booking.book_due_shipments()

    shipment.refresh_from_db()
    assert (shipment.status, shipment.attempts) == ("CANCELED", 0)
    assert booking.void_canceled_bookings() == 0
    make_due(shipment)
    booking.void_canceled_bookings()
    assert SandboxBooking.objects.get().voided_at is not None


def test_a_cancel_whose_rounds_are_over_cancels_nothing_and_the_next_one_does(shipment_in, monkeypatch):
    shipment = shipment_in("PENDING", postal_code=LOST_ANSWER_POSTAL_CODE)
    booking.book_due_shipments()
    with monkeypatch.context() as short:
        short.setattr(stopping, "ROUNDS", 1)
        with pytest.raises(shipping.CarrierUnavailable, match="keeps moving"):
            shipping.cancel_shipment(order_id=shipment.order_id, reason="customer_request")
    assert shipping.get_shipment(order_id=shipment.order_id).status == "BOOKED"

    assert shipping.cancel_shipment(order_id=shipment.order_id, reason="customer_request").status == "CANCELED"
