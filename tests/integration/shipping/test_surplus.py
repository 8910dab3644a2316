"""A surplus booking is on record before anybody takes it back, and stays so until the carrier has given it up."""

import threading

import pytest
from django.db import connections

from local.carrier.gateway import SandboxCarrier
from local.carrier.models import SandboxBooking
from shipping import gateways
from shipping.gateways import Booking, CarrierUnavailable
from shipping.models import Shipment, SurplusBooking
from shipping.queries import dashboard_figures, tell_story
from shipping.services import booking, bookings, surplus
from tests.integration.shipping.shipments import found, make_due


def test_second_booking_is_remembered_with_what_takes_it_back(booked_twice):
    shipment = booked_twice()

    first, second = SandboxBooking.objects.order_by("id")
    row = SurplusBooking.objects.get()
    assert (shipment.carrier_reference, row.carrier_reference) == (f"SBX-{first.pk}", f"SBX-{second.pk}")
    assert (row.shipment_id, row.order_id, row.carrier) == (shipment.pk, shipment.order_id, "sandbox")
    assert row.due_at is not None
    assert second.voided_at is None
    assert tell_story(shipment.order_id).upcoming[-1].what == "the surplus booking is taken back at the carrier"


def test_surplus_booking_is_taken_back_and_the_parcel_still_goes_with_the_other(booked_twice):
    shipment = booked_twice()

    assert surplus.take_back_surplus_bookings() == 1
    assert surplus.take_back_surplus_bookings() == 0

    first, second = SandboxBooking.objects.order_by("id")
    row = SurplusBooking.objects.get()
    assert (first.voided_at, row.due_at) == (None, None)
    assert None not in (second.voided_at, row.taken_back_at)
    assert "settled with sandbox" in tell_story(shipment.order_id).happened[-1].what
    assert found() == []


@pytest.mark.usefixtures("long_backoff")
def test_surplus_booking_waits_while_the_carrier_does_not_answer(booked_twice, monkeypatch):
    booked_twice()

    def silent(_carrier, *, carrier_reference):
        raise CarrierUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(SandboxCarrier, "void", silent)
        assert surplus.take_back_surplus_bookings() == 1
        assert surplus.take_back_surplus_bookings() == 0
    row = SurplusBooking.objects.get()
    assert (row.attempts, row.taken_back_at) == (1, None)
    assert row.last_error.startswith("carrier_unavailable")
    make_due(row)
    surplus.take_back_surplus_bookings()

    row.refresh_from_db()
    assert (row.due_at, row.last_error) == (None, "")
    assert SandboxBooking.objects.filter(voided_at=None).count() == 1


def test_process_that_dies_before_the_record_of_the_taking_back_leaves_it_to_the_next(booked_twice, monkeypatch):
    booked_twice()

    class PowerCut(BaseException):
        pass

    class DiesAfterwards(SandboxCarrier):
        def void(self, *, carrier_reference):
            super().void(carrier_reference=carrier_reference)
            raise PowerCut

    monkeypatch.setitem(gateways.CARRIERS, "sandbox", DiesAfterwards)
    with pytest.raises(PowerCut):
        surplus.take_back_surplus_bookings()
    monkeypatch.setitem(gateways.CARRIERS, "sandbox", SandboxCarrier)
    assert surplus.take_back_surplus_bookings() == 0, "its lease runs"
    make_due(SurplusBooking.objects.get())
    surplus.take_back_surplus_bookings()

    assert SurplusBooking.objects.get().taken_back_at is not None
    assert SandboxBooking.objects.filter(voided_at=None).count() == 1


@pytest.fixture
def refused(booked_twice, settings):
    """Return a surplus booking that the carrier will not take back, since its parcel has left."""
    booked_twice()
    settings.SANDBOX_CARRIER_TRANSIT_SECONDS = 0
    surplus.take_back_surplus_bookings()
    return SurplusBooking.objects.get()


def test_surplus_booking_that_the_carrier_keeps_waits_for_staff_and_is_found_by_the_audit(refused):
    assert (refused.due_at, refused.taken_back_at) == (None, None)
    assert refused.last_error.startswith("carrier_refused")
    assert tell_story(refused.order_id).upcoming[-1].what.startswith("staff settle the surplus booking")
    assert dashboard_figures()["surplus bookings for staff"] == "1"
    assert found() == [("I10", f"surplus booking {refused.pk}")]


def test_staff_have_it_tried_again_once_the_carrier_gives_in(refused, settings):
    settings.SANDBOX_CARRIER_TRANSIT_SECONDS = 3600

    surplus.retry_surplus_booking(surplus_id=refused.pk)
    surplus.take_back_surplus_bookings()

    refused.refresh_from_db()
    assert refused.taken_back_at is not None
    assert found() == []
    with pytest.raises(surplus.SurplusBookingSettled):
        surplus.retry_surplus_booking(surplus_id=refused.pk)


def test_staff_settle_it_with_the_carrier_and_nobody_asks_again(refused):
    surplus.settle_surplus_booking(surplus_id=refused.pk)

    refused.refresh_from_db()
    assert refused.last_error.startswith("carrier_refused")
    assert surplus.take_back_surplus_bookings() == 0
    assert found() == []


def test_worker_past_its_lease_changes_nothing_about_what_another_has_settled(booked_twice, monkeypatch, settings):
    booked_twice()

    class OvertakenMeanwhile(SandboxCarrier):
        def void(self, *, carrier_reference):
            monkeypatch.setitem(gateways.CARRIERS, "sandbox", SandboxCarrier)
            make_due(SurplusBooking.objects.get())
            surplus.take_back_surplus_bookings()
            raise CarrierUnavailable

    monkeypatch.setitem(gateways.CARRIERS, "sandbox", OvertakenMeanwhile)
    surplus.take_back_surplus_bookings()

    row = SurplusBooking.objects.get()
    assert row.taken_back_at is not None
    assert (row.due_at, row.attempts, row.last_error) == (None, 0, "")


def test_same_surplus_booking_is_recorded_once(shipment_in):
    shipment = shipment_in("BOOKED")
    late = Booking(carrier_reference="SBX-0")

    for _time in range(2):
        bookings.record_booking(shipment, late)

    assert SurplusBooking.objects.get().carrier_reference == "SBX-0"


def test_the_booking_that_stands_is_no_surplus(shipment_in):
    shipment = shipment_in("BOOKED")

    bookings.record_booking(shipment, Booking(carrier_reference=shipment.carrier_reference))

    assert not SurplusBooking.objects.exists()


def test_two_workers_who_both_book_leave_one_booking(shipment_in, monkeypatch):
    both_have_booked = threading.Barrier(2)

    class BothAtOnce(SandboxCarrier):
        def book(self, *, reference, address, parcel):
            booked = super().book(reference=reference, address=address, parcel=parcel)
            both_have_booked.wait(timeout=30)
            return booked

    shipment = shipment_in("PENDING")
    monkeypatch.setitem(gateways.CARRIERS, "sandbox", BothAtOnce)
    claimed = [Shipment.objects.get(pk=shipment.pk) for _worker in range(2)]

    def work(row):
        row.carrier = "sandbox"
        booking._book(row)
        connections.close_all()

    workers = [threading.Thread(target=work, args=(row,)) for row in claimed]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    surplus.take_back_surplus_bookings()

    shipment.refresh_from_db()
    kept = SandboxBooking.objects.get(voided_at=None)
    assert shipment.carrier_reference == f"SBX-{kept.pk}"
    assert SurplusBooking.objects.exclude(taken_back_at=None).count() == 1
