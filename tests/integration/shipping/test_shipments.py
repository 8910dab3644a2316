"""Every status met by every mutator, from the table; and the parcel that leaves while its order is canceled."""

import threading
import uuid

import pytest
from django.db import connections

from shipping import api as shipping
from shipping.gateways import Booking
from shipping.models import Outbox, Shipment, ShipmentStatus
from shipping.services import bookings, shipments
from shop.errors import Refusal


def record_booking(shipment):
    shipment.carrier = "sandbox"
    bookings.record_booking(shipment, Booking(carrier_reference="SBX-0", check_after_seconds=60))


MUTATORS = {
    "book": record_booking,
    "dispatch": lambda shipment: shipments.dispatch_shipment(shipment_id=shipment.pk, tracking_number="T2"),
    "deliver": lambda shipment: shipments.confirm_delivery(shipment_id=shipment.pk),
    "cancel": lambda shipment: shipping.cancel_shipment(order_id=shipment.order_id, reason="staff_request"),
    "retry": lambda shipment: shipments.retry_booking(shipment_id=shipment.pk),
}

# What a mutator does to a shipment in a status: the status after it, or the refusal. Silent = nothing changes.
EXPECTED: dict[tuple[str, str], str | type[Refusal]] = {
    ("PENDING", "book"): "BOOKED",
    ("PENDING", "dispatch"): shipments.ShipmentNotBooked,
    ("PENDING", "deliver"): shipments.ShipmentNotDispatched,
    ("PENDING", "cancel"): "CANCELED",
    ("PENDING", "retry"): "PENDING",
    ("BOOKED", "book"): "BOOKED",
    ("BOOKED", "dispatch"): "DISPATCHED",
    ("BOOKED", "deliver"): shipments.ShipmentNotDispatched,
    ("BOOKED", "cancel"): "CANCELED",
    ("BOOKED", "retry"): shipments.BookingNotOpen,
    ("DISPATCHED", "book"): "DISPATCHED",
    ("DISPATCHED", "dispatch"): shipments.ShipmentAlreadyDispatched,
    ("DISPATCHED", "deliver"): "DELIVERED",
    ("DISPATCHED", "cancel"): shipments.ShipmentAlreadyDispatched,
    ("DISPATCHED", "retry"): shipments.BookingNotOpen,
    ("DELIVERED", "book"): "DELIVERED",
    ("DELIVERED", "dispatch"): shipments.ShipmentAlreadyDispatched,
    ("DELIVERED", "deliver"): "DELIVERED",
    ("DELIVERED", "cancel"): shipments.ShipmentAlreadyDispatched,
    ("DELIVERED", "retry"): shipments.BookingNotOpen,
    ("CANCELED", "book"): "CANCELED",
    ("CANCELED", "dispatch"): shipments.ShipmentClosed,
    ("CANCELED", "deliver"): shipments.ShipmentClosed,
    ("CANCELED", "cancel"): "CANCELED",
    ("CANCELED", "retry"): shipments.BookingNotOpen,
}


@pytest.mark.parametrize("mutator", MUTATORS)
@pytest.mark.parametrize("status", [str(status) for status in ShipmentStatus])
def test_every_mutator_in_every_status_keeps_to_the_table(status, mutator, shipment_in):
    shipment = shipment_in(status)
    expected = EXPECTED[status, mutator]
    change = MUTATORS[mutator]

    if isinstance(expected, str):
        change(shipment)
    else:
        with pytest.raises(expected):
            change(shipment)

    after = Shipment.objects.get(pk=shipment.pk)
    wanted = expected if isinstance(expected, str) else status
    assert after.status == wanted
    assert after.version == shipment.version + (wanted != status)
    assert Outbox.objects.filter(aggregate_id=shipment.pk).count() == after.version


@pytest.mark.parametrize("carrier", ["DHL", None])
def test_dispatch_tells_the_number_as_the_carrier_prints_it_and_may_be_repeated(carrier, shipment_in):
    shipment = shipment_in("BOOKED")

    for _time in range(2):
        state = shipping.dispatch_shipment(shipment_id=shipment.pk, tracking_number=" jd 01-4 ", carrier=carrier)

    fact = Outbox.objects.get(type="shipment.dispatched")
    assert state.status == "DISPATCHED"
    assert fact.payload == {
        "order_id": str(shipment.order_id),
        "carrier": carrier or "sandbox",
        "tracking_number": "JD01-4",
    }


@pytest.mark.parametrize("number", ["", "   ", "x" * 65, "a\x00b"])
def test_unusable_tracking_numbers_are_refused(number, shipment_in):
    shipment = shipment_in("BOOKED")

    with pytest.raises(shipping.TrackingNumberUnusable):
        shipping.dispatch_shipment(shipment_id=shipment.pk, tracking_number=number)


def test_dispatch_against_cancel_on_two_connections_has_exactly_one_winner(shipment_in):
    for _round in range(12):
        shipment, barrier = shipment_in("BOOKED"), threading.Barrier(2)
        outcomes: dict[str, str] = {}

        def race(name, call, barrier=barrier, outcomes=outcomes):
            barrier.wait()
            try:
                call()
                outcomes[name] = "won"
            except Refusal as refusal:
                outcomes[name] = refusal.code
            finally:
                connections.close_all()

        dispatch = lambda pk=shipment.pk: shipping.dispatch_shipment(shipment_id=pk, tracking_number="T")  # noqa: E731
        cancel = lambda order=shipment.order_id: shipping.cancel_shipment(order_id=order, reason="r")  # noqa: E731
        threads = [threading.Thread(target=race, args=each) for each in [("dispatch", dispatch), ("cancel", cancel)]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        after = Shipment.objects.get(pk=shipment.pk)
        assert list(outcomes.values()).count("won") == 1, outcomes
        assert after.status == ("DISPATCHED" if outcomes["dispatch"] == "won" else "CANCELED")
        assert after.version == 3
        Shipment.objects.filter(pk=shipment.pk).update(due_at=None)


def test_unknown_shipment_is_not_found(database):
    unknown = uuid.UUID(int=0)

    with pytest.raises(shipping.ShipmentNotFound):
        shipping.dispatch_shipment(shipment_id=unknown, tracking_number="T")
    assert shipping.get_shipment(order_id=unknown) is None
