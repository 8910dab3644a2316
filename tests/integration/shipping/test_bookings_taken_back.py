"""A booking that was made, or under way, when its payment was disputed: taken back once, whatever fails meanwhile."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connections

from local.carrier.gateway import SandboxCarrier
from local.carrier.models import SandboxBooking
from shipping import api as shipping
from shipping import gateways, queries
from shipping.gateways import CarrierUnavailable, Parcel
from shipping.models import Hold, Shipment
from shipping.services import booking, bookings, holds, shipments, unbooking
from shop import transactions
from shop.clock import now
from shop.ids import new_id
from tests.integration.shipping.disputes import ADDRESS, Dispute, status, wait_until_somebody_waits_for_our_lock
from tests.integration.shipping.shipments import found, make_due


def test_what_was_booked_before_the_dispute_is_taken_back_and_booked_again_once_it_is_won(shipment_in):
    shipment = shipment_in("BOOKED")
    dispute = Dispute(shipment.order_id)
    dispute.opened(times=2)

    assert booking.track_shipments() == 0
    assert unbooking.take_back_held_bookings() == 1
    assert unbooking.take_back_held_bookings() == 0
    booking.book_due_shipments()
    assert status(shipment.order_id) == "PENDING"
    assert SandboxBooking.objects.get().voided_at is not None
    story = queries.tell_story(shipment.order_id)
    what = [each.what for each in story.happened]
    assert {
        "the parcel was booked with sandbox",
        "the booking was taken back at sandbox, since the parcel is held",
    } <= set(what)
    assert [each.what for each in story.upcoming] == [
        "the parcel waits until the customer's bank has decided the dispute"
    ]
    assert found() == []

    dispute.won()
    booking.book_due_shipments()
    booked = shipping.get_shipment(order_id=shipment.order_id)
    assert (booked.status, SandboxBooking.objects.filter(voided_at=None).count()) == ("BOOKED", 1)
    assert found() == []


def test_a_booking_by_hand_waits_unbooked_too(shipment_in, settings):
    settings.SHIPPING_CARRIER = "manual"
    shipment = shipment_in("BOOKED")
    dispute = Dispute(shipment.order_id)
    dispute.opened()

    for _turn in range(3):
        unbooking.take_back_held_bookings()
    assert status(shipment.order_id) == "PENDING"
    assert found() == []

    dispute.won()
    booking.book_due_shipments()
    assert status(shipment.order_id) == "BOOKED"


def test_a_booking_waits_for_a_carrier_that_does_not_answer_and_is_taken_back_then(shipment_in, monkeypatch):
    shipment = shipment_in("BOOKED")
    Dispute(shipment.order_id).opened()

    def silent(_carrier, *, carrier_reference):
        raise CarrierUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(SandboxCarrier, "void", silent)
        unbooking.take_back_held_bookings()
    assert status(shipment.order_id) == "BOOKED"
    assert queries.tell_story(shipment.order_id).upcoming[0].what.startswith("the booking is taken back at sandbox")
    make_due(shipment)
    unbooking.take_back_held_bookings()

    assert status(shipment.order_id) == "PENDING"


def test_a_process_that_dies_after_the_carrier_gave_the_booking_back_leaves_it_to_the_next(shipment_in, monkeypatch):
    shipment = shipment_in("BOOKED")
    Dispute(shipment.order_id).opened()

    class PowerCut(BaseException):
        pass

    class DiesAfterwards(SandboxCarrier):
        def void(self, *, carrier_reference):
            super().void(carrier_reference=carrier_reference)
            raise PowerCut

    monkeypatch.setitem(gateways.CARRIERS, "sandbox", DiesAfterwards)
    with pytest.raises(PowerCut):
        unbooking.take_back_held_bookings()
    monkeypatch.setitem(gateways.CARRIERS, "sandbox", SandboxCarrier)
    make_due(shipment)
    unbooking.take_back_held_bookings()

    assert status(shipment.order_id) == "PENDING"


@pytest.mark.parametrize("heard", ["before the carrier is asked", "before its answer is recorded"])
def test_a_booking_under_way_when_the_dispute_is_heard_is_taken_back(shipment_in, monkeypatch, heard):
    shipment = shipment_in("PENDING")

    class DisputedMeanwhile(SandboxCarrier):
        def book(self, *, reference, address, parcel):
            if heard == "before the carrier is asked":
                Dispute(shipment.order_id).opened()
            booked = super().book(reference=reference, address=address, parcel=parcel)
            if heard == "before its answer is recorded":
                Dispute(shipment.order_id).opened()
            return booked

    monkeypatch.setitem(gateways.CARRIERS, "sandbox", DisputedMeanwhile)
    booking.book_due_shipments()
    assert status(shipment.order_id) == "BOOKED"
    unbooking.take_back_held_bookings()

    assert status(shipment.order_id) == "PENDING"
    assert not SandboxBooking.objects.filter(voided_at=None).exists()


def test_a_hold_that_was_not_there_when_the_shipment_was_made_is_seen_by_the_booking(shipment_in):
    shipment = shipment_in("PENDING")
    made = SandboxCarrier().book(reference=shipment.pk, address=ADDRESS, parcel=Parcel(()))
    Dispute(shipment.order_id).opened()
    # As the thread that made the shipment leases it, in a transaction that the hold did not see.
    Shipment.objects.update(due_at=now() + timedelta(hours=1), carrier="sandbox", carrier_asked_at=now())

    shipment.refresh_from_db()
    bookings.record_booking(shipment, made)

    assert unbooking.take_back_held_bookings() == 1
    assert status(shipment.order_id) == "PENDING"


def test_a_hold_that_commits_while_the_booking_waits_for_the_row_makes_it_due(shipment_in):
    shipment = shipment_in("PENDING")
    Shipment.objects.update(due_at=now() + timedelta(hours=1), carrier="sandbox", carrier_asked_at=now())
    shipment.refresh_from_db()
    made = SandboxCarrier().book(reference=shipment.pk, address=ADDRESS, parcel=Parcel(()))

    def record() -> None:
        try:
            bookings.record_booking(shipment, made)
        finally:
            connections.close_all()

    worker = threading.Thread(target=record)
    with transactions.transaction("shipping"):
        holds.hold_parcel(order_id=shipment.order_id, dispute_id=new_id(), revision=1)
        worker.start()
        wait_until_somebody_waits_for_our_lock()
    worker.join()

    assert status(shipment.order_id) == "BOOKED"
    assert unbooking.take_back_held_bookings() == 1
    assert status(shipment.order_id) == "PENDING"


def test_a_tracker_that_was_asking_when_the_dispute_was_heard_does_not_put_the_taking_back_off(
    shipment_in, monkeypatch
):
    shipment = shipment_in("BOOKED")

    class DisputedMeanwhile(SandboxCarrier):
        def track(self, *, carrier_reference):
            monkeypatch.setitem(gateways.CARRIERS, "sandbox", SandboxCarrier)
            Dispute(shipment.order_id).opened()
            return super().track(carrier_reference=carrier_reference)

    monkeypatch.setitem(gateways.CARRIERS, "sandbox", DisputedMeanwhile)
    make_due(shipment)
    assert booking.track_shipments() == 1
    assert unbooking.take_back_held_bookings() == 1

    assert status(shipment.order_id) == "PENDING"


def test_a_booking_whose_answer_was_lost_before_the_dispute_is_found_and_taken_back(shipment_in):
    shipment = shipment_in("PENDING", postal_code="00408")
    booking.book_due_shipments()
    assert (status(shipment.order_id), SandboxBooking.objects.count()) == ("PENDING", 1)
    Dispute(shipment.order_id).opened()

    for _turn in range(2):
        make_due(shipment)
        unbooking.take_back_held_bookings()

    assert status(shipment.order_id) == "PENDING"
    assert SandboxBooking.objects.get().voided_at is not None


def test_a_request_that_may_still_be_under_way_is_looked_for_until_it_has_settled(shipment_in):
    shipment = shipment_in("PENDING")
    Shipment.objects.update(carrier="sandbox", carrier_asked_at=now())
    Dispute(shipment.order_id).opened()
    assert unbooking.take_back_held_bookings() == 1
    SandboxCarrier().book(reference=shipment.pk, address=ADDRESS, parcel=Parcel(()))

    for _turn in range(2):
        make_due(shipment)
        unbooking.take_back_held_bookings()
    assert not SandboxBooking.objects.filter(voided_at=None).exists()

    Shipment.objects.update(carrier_asked_at=now(), due_at=now())
    Hold.objects.update(held_at=now() - timedelta(minutes=3))
    assert unbooking.take_back_held_bookings() == 1
    shipment.refresh_from_db()
    assert (shipment.carrier_asked_at, unbooking.take_back_held_bookings()) == (None, 0)


def test_a_booking_that_was_taken_back_before_does_not_take_the_next_one_with_it(shipment_in):
    earlier = shipment_in("BOOKED")
    dispute = Dispute(earlier.order_id)
    dispute.opened()
    unbooking.take_back_held_bookings()
    dispute.won()
    booking.book_due_shipments()

    assert not shipments.unbook_shipment(earlier)

    assert status(earlier.order_id) == "BOOKED"
    assert SandboxBooking.objects.filter(voided_at=None).count() == 1
