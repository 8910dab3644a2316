"""Asking the carrier: exactly one booking, whatever gets lost; refusals wait for staff."""

import threading
from contextlib import suppress

import pytest
from django.db import connections
from django.db.models.functions import Now

from local.carrier.gateway import LOST_ANSWER_POSTAL_CODE, REFUSED_POSTAL_CODE, UNAVAILABLE_POSTAL_CODE, SandboxCarrier
from local.carrier.models import SandboxBooking
from orders import api as orders
from orders.models import Order
from shipping import api as shipping
from shipping import gateways
from shipping.gateways.carrier import Progress
from shipping.models import Outbox, Shipment
from shipping.queries import tell_story
from shipping.rules import Stage
from shipping.services import booking, bookings, shipments, surplus
from shop import transactions
from shop.story.timeline import Upcoming
from tests.integration.shipping.shipments import make_due


def test_sandbox_carrier_books_dispatches_and_delivers_by_itself(shipment_in):
    shipment = shipment_in("PENDING", transit_seconds=0)

    assert booking.book_due_shipments() == 1
    assert booking.track_shipments() == 1

    shipment.refresh_from_db()
    facts = Outbox.objects.filter(aggregate_id=shipment.pk).order_by("id")
    assert shipment.status == "DELIVERED"
    assert shipment.due_at is None
    assert [fact.type for fact in facts] == [
        "shipment.created",
        "shipment.booked",
        "shipment.dispatched",
        "shipment.delivered",
    ]
    assert booking.track_shipments() == booking.book_due_shipments() == 0


def test_a_backlog_of_parcels_asks_for_their_orders_once(shipment_in, monkeypatch):
    parcels = [shipment_in("PENDING") for _each in range(3)]
    monkeypatch.setattr(orders, "get_order", lambda **_asked: pytest.fail("each order was asked for"))

    assert booking.book_due_shipments() == 3

    assert {Shipment.objects.get(pk=parcel.pk).status for parcel in parcels} == {"BOOKED"}


def test_parcel_in_transit_is_asked_about_again_when_something_happens_to_it(shipment_in):
    shipment = shipment_in("BOOKED", transit_seconds=3600)
    make_due(shipment)

    booking.track_shipments()

    shipment.refresh_from_db()
    waits = tell_story(shipment.order_id).upcoming
    assert shipment.status == "BOOKED"
    assert waits == (Upcoming("shipping", "the carrier is asked how far the parcel is", shipment.due_at),)
    assert booking.track_shipments() == 0


def test_lost_answer_does_not_book_twice(shipment_in):
    shipment = shipment_in("PENDING", postal_code=LOST_ANSWER_POSTAL_CODE)

    booking.book_due_shipments()
    shipment.refresh_from_db()
    assert (shipment.status, shipment.attempts) == ("PENDING", 1)
    assert "asked again" in tell_story(shipment.order_id).upcoming[0].what
    make_due(shipment)
    booking.book_due_shipments()

    shipment.refresh_from_db()
    assert shipment.status == "BOOKED"
    assert shipment.carrier_reference == f"SBX-{SandboxBooking.objects.get(reference=shipment.pk).pk}"


def test_crash_between_booking_and_recording_does_not_book_twice(shipment_in, monkeypatch):
    shipment = shipment_in("PENDING")

    class PowerCut(BaseException):
        pass

    def cut(*_arguments):
        raise PowerCut

    with monkeypatch.context() as patch, suppress(PowerCut):
        patch.setattr(bookings, "record_booking", cut)
        booking.book_due_shipments()
    make_due(shipment)
    booking.book_due_shipments()

    shipment.refresh_from_db()
    assert shipment.status == "BOOKED"
    assert SandboxBooking.objects.count() == 1


def test_setting_changed_between_two_attempts_still_asks_the_carrier_that_may_have_booked(shipment_in, settings):
    shipment = shipment_in("PENDING", postal_code=LOST_ANSWER_POSTAL_CODE)
    booking.book_due_shipments()

    settings.SHIPPING_CARRIER = "manual"
    make_due(shipment)
    booking.book_due_shipments()

    shipment.refresh_from_db()
    assert (shipment.status, shipment.carrier) == ("BOOKED", "sandbox")


@pytest.mark.usefixtures("long_backoff")
def test_silent_carrier_is_asked_again_with_backoff(shipment_in):
    shipment = shipment_in("PENDING", postal_code=UNAVAILABLE_POSTAL_CODE)
    waits = []

    for _attempt in range(3):
        make_due(shipment)
        assert booking.book_due_shipments() == 1
        assert booking.book_due_shipments() == 0
        before, shipment = shipment, Shipment.objects.get(pk=shipment.pk)
        waits.append(shipment.due_at - (before.due_at or before.created_at))

    assert shipment.attempts == 3
    assert shipment.status == "PENDING"
    with pytest.raises(shipments.BookingInDoubt):
        shipments.retry_booking(shipment_id=shipment.pk, carrier="manual")


def test_refused_parcel_waits_for_staff_while_its_order_stays_confirmed(shipment_in):
    shipment = shipment_in("PENDING", postal_code=REFUSED_POSTAL_CODE)

    booking.book_due_shipments()

    shipment.refresh_from_db()
    assert (shipment.status, shipment.refusal_code, shipment.due_at) == ("PENDING", "carrier_refused", None)
    assert tell_story(shipment.order_id).upcoming[0].what.startswith("staff decide")
    assert Order.objects.get(pk=shipment.order_id).status == "CONFIRMED"

    shipments.retry_booking(shipment_id=shipment.pk, carrier="manual")
    booking.book_due_shipments()

    shipment.refresh_from_db()
    assert (shipment.status, shipment.carrier, shipment.refusal_code) == ("BOOKED", "manual", "")
    assert tell_story(shipment.order_id).upcoming == (
        Upcoming("shipping", "staff hand the parcel over and enter its tracking number", None, by_staff=True),
    )


@pytest.mark.parametrize("canceled", [False, True])
def test_worker_who_books_a_second_time_after_its_lease_gives_that_booking_up(booked_twice, canceled):
    shipment = booked_twice()

    surplus.take_back_surplus_bookings()
    if canceled:
        shipping.cancel_shipment(order_id=shipment.order_id, reason="customer_request")

    shipment.refresh_from_db()
    first, second = SandboxBooking.objects.order_by("id")
    assert shipment.carrier_reference == f"SBX-{first.pk}"
    assert second.voided_at is not None
    assert (first.voided_at is not None) == canceled


def test_parcel_that_staff_gave_to_another_carrier_while_the_first_was_asked_is_not_asked_about(
    shipment_in, monkeypatch
):
    shipment = shipment_in("BOOKED")

    class DispatchedMeanwhile(SandboxCarrier):
        def track(self, *, carrier_reference):
            shipments.dispatch_shipment(shipment_id=shipment.pk, tracking_number="JD0140", carrier="DHL")
            return super().track(carrier_reference=carrier_reference)

    monkeypatch.setitem(gateways.CARRIERS, "sandbox", DispatchedMeanwhile)
    make_due(shipment)
    booking.track_shipments()

    shipment.refresh_from_db()
    assert (shipment.status, shipment.carrier, shipment.due_at) == ("DISPATCHED", "DHL", None)


def test_sweeps_at_once_on_real_connections_book_each_parcel_once(confirmed_order, hear_confirmed, settings):
    settings.SANDBOX_CARRIER_TRANSIT_SECONDS = 3600
    for _order in range(20):
        hear_confirmed(confirmed_order())

    def sweep():
        booking.book_due_shipments()
        connections.close_all()

    threads = [threading.Thread(target=sweep) for _worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    references = list(SandboxBooking.objects.values_list("reference", flat=True))
    assert sorted(references) == sorted(Shipment.objects.filter(status="BOOKED").values_list("pk", flat=True))
    assert len(references) == 20


class Broken:
    """A carrier's adapter with a bug."""

    def book(self, **_arguments):
        raise ZeroDivisionError


def test_bug_in_an_adapter_is_told_and_does_not_hold_up_the_next_parcel(shipment_in, monkeypatch, caplog):
    monkeypatch.setitem(gateways.CARRIERS, "broken", Broken)
    first, second = shipment_in("PENDING"), shipment_in("PENDING")
    Shipment.objects.filter(pk=first.pk).update(carrier="broken")

    assert booking.book_due_shipments() == 2

    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, first.attempts, first.last_error) == ("PENDING", 1, "ZeroDivisionError")
    assert second.status == "BOOKED"
    assert "ZeroDivisionError" in caplog.text


def test_nothing_of_the_address_is_kept_or_told(shipment_in):
    shipment = shipment_in("PENDING", transit_seconds=0)

    booking.book_due_shipments()
    booking.track_shipments()

    kept = [str(row) for model in (Shipment, Outbox, SandboxBooking) for row in model.objects.values()]
    assert not [row for row in kept if any(part in row for part in ("Lovelace", "Allee", "Berlin", "10115"))]
    assert shipment.order_id == Shipment.objects.get().order_id


def test_carriers_are_never_called_inside_a_transaction(database):

    with transactions.transaction("shipping"), pytest.raises(transactions.TransactionMisuse):
        SandboxCarrier().find(reference=None)


def test_crash_between_booking_by_hand_and_recording_books_by_hand(shipment_in, settings):
    settings.SHIPPING_CARRIER = "manual"
    shipment = shipment_in("PENDING")
    Shipment.objects.filter(pk=shipment.pk).update(carrier="manual", carrier_asked_at=Now())

    booking.book_due_shipments()

    shipment.refresh_from_db()
    assert (shipment.status, shipment.carrier_reference, shipment.due_at) == ("BOOKED", str(shipment.pk), None)


def test_parcel_that_staff_book_by_hand_and_that_is_due_waits_for_staff_again(shipment_in, settings):
    settings.SHIPPING_CARRIER = "manual"
    shipment = shipment_in("BOOKED")
    Shipment.objects.filter(pk=shipment.pk).update(due_at=Now())

    assert booking.track_shipments() == 1

    shipment.refresh_from_db()
    assert (shipment.status, shipment.due_at) == ("BOOKED", None)


def test_parcel_that_staff_gave_to_another_carrier_waits_for_their_word_that_it_has_arrived(shipment_in):
    shipment = shipment_in("BOOKED")
    shipments.dispatch_shipment(shipment_id=shipment.pk, tracking_number="JD0140", carrier="DHL")

    assert tell_story(shipment.order_id).upcoming == (
        Upcoming("shipping", "staff mark the parcel as delivered", None, by_staff=True),
    )


def dispatched_meanwhile(monkeypatch, shipment, number):
    """Have staff hand the parcel over under this number while its carrier says how far it is."""

    class DispatchedMeanwhile(SandboxCarrier):
        def track(self, *, carrier_reference):
            monkeypatch.setitem(gateways.CARRIERS, "sandbox", SandboxCarrier)
            shipments.dispatch_shipment(shipment_id=shipment.pk, tracking_number=number)
            return super().track(carrier_reference=carrier_reference)

    monkeypatch.setitem(gateways.CARRIERS, "sandbox", DispatchedMeanwhile)


def test_parcel_that_has_arrived_when_staff_enter_another_number_is_delivered_at_the_next_look(
    shipment_in, monkeypatch
):
    shipment = shipment_in("BOOKED", transit_seconds=0)
    dispatched_meanwhile(monkeypatch, shipment, "TYPED-1")

    for _turn in range(2):
        booking.track_shipments()

    shipment.refresh_from_db()
    assert (shipment.status, shipment.tracking_number, shipment.due_at) == ("DELIVERED", "TYPED-1", None)


def test_parcel_that_left_without_a_number_waits_for_one_from_staff(shipment_in, monkeypatch):
    shipment = shipment_in("BOOKED", transit_seconds=0)
    Shipment.objects.update(tracking_number="")
    monkeypatch.setattr(SandboxCarrier, "track", lambda _self, **_asked: Progress(stage=Stage.DELIVERED))

    assert booking.track_shipments() == 1

    shipment.refresh_from_db()
    assert (shipment.status, shipment.due_at) == ("BOOKED", None)
    assert tell_story(shipment.order_id).upcoming[0].what.startswith("staff hand the parcel over")
