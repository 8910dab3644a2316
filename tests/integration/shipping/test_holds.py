"""A parcel whose payment is disputed: not booked, not handed over, and let go when the dispute is won."""

from __future__ import annotations

import itertools
from uuid import UUID

import pytest

from shipping import api as shipping
from shipping import queries
from shipping.audit import OVERDUE
from shipping.models import Hold, Shipment
from shipping.services import booking, holds, shipments, unbooking
from shop.clock import now
from shop.work import handover
from tests.integration.shipping.disputes import Dispute, book_all, status
from tests.integration.shipping.shipments import found, make_due


def test_a_parcel_is_not_booked_while_its_payment_is_disputed_and_is_once_that_is_won(shipment_in):
    order_id = shipment_in("PENDING").order_id
    dispute = Dispute(order_id)
    dispute.opened(times=2)

    book_all(order_id)
    assert status(order_id) == "PENDING"
    assert not Shipment.objects.filter(carrier_asked_at__isnull=False).exists()

    dispute.won()
    booking.book_due_shipments()
    assert status(order_id) == "BOOKED"


def test_the_end_of_a_dispute_wakes_the_booking(shipment_in, monkeypatch):
    dispute = Dispute(shipment_in("PENDING").order_id)
    dispute.opened()
    woken = []
    monkeypatch.setattr(holds, "wake", lambda sweep, **_context: woken.append(sweep))

    dispute.won()

    assert woken == ["shipping.book_due_shipments"]


@pytest.mark.parametrize("handed_over", [False, True])
def test_a_dispute_that_is_heard_before_the_order_s_confirmation_holds_the_parcel(
    confirmed_order, hear_confirmed, monkeypatch, handed_over
):
    order_id = confirmed_order()
    Dispute(order_id).opened()
    taken: list[UUID] = []
    monkeypatch.setattr(handover, "lease_seconds", lambda _sweep, *, rows: 60.0 if handed_over else None)
    monkeypatch.setattr(handover, "hand_over", lambda _sweep, *rows: taken.extend(row.pk for row in rows))

    hear_confirmed(order_id)
    book_all(order_id)

    assert (status(order_id), taken) == ("PENDING", [])
    other = confirmed_order()
    hear_confirmed(other)
    assert len(taken) == handed_over


def test_staff_cannot_hand_over_a_booked_parcel_that_is_disputed_nor_book_it_by_hand(shipment_in):
    booked, pending = shipment_in("BOOKED"), shipment_in("PENDING")
    for shipment in (booked, pending):
        Dispute(shipment.order_id).opened()

    with pytest.raises(shipping.ShipmentHeld) as refused:
        shipping.dispatch_shipment(shipment_id=booked.pk, tracking_number="T1")
    assert refused.value.code == "shipment_held"
    with pytest.raises(shipping.ShipmentHeld):
        shipments.retry_booking(shipment_id=pending.pk, carrier="manual")
    assert (status(booked.order_id), status(pending.order_id)) == ("BOOKED", "PENDING")


def test_what_the_carrier_has_taken_is_recorded_whatever_holds_it(shipment_in):
    shipment = shipment_in("BOOKED", transit_seconds=0)
    Dispute(shipment.order_id).opened()

    booking.track_shipments()
    unbooking.take_back_held_bookings()

    assert status(shipment.order_id) == "DISPATCHED"
    what = [each.what for each in queries.tell_story(shipment.order_id).happened]
    assert "the parcel left with sandbox" in what
    make_due(shipment)
    booking.track_shipments()
    assert status(shipment.order_id) == "DELIVERED"


@pytest.mark.parametrize("last", ["won", "lost"])
def test_facts_of_a_dispute_in_any_order_end_in_the_same_hold(shipment_in, last):
    order_id = shipment_in("PENDING").order_id
    ends = set()
    for order in itertools.permutations(["opened", "changed", last]):
        dispute = Dispute(order_id)
        for fact in order:
            getattr(dispute, fact)()
        hold = Hold.objects.get(pk=dispute.ids["dispute_id"])
        ends.add((hold.revision, hold.released_at is None, hold.for_staff))

    assert ends == {(3, last == "lost", last == "lost")}


def test_two_disputes_of_one_order_hold_until_both_are_over(shipment_in):
    order_id = shipment_in("PENDING").order_id
    first, second = Dispute(order_id), Dispute(order_id)
    first.opened()
    second.opened()

    first.won()
    book_all(order_id)
    assert status(order_id) == "PENDING"
    second.won()
    book_all(order_id)
    assert status(order_id) == "BOOKED"


def test_a_held_parcel_is_not_overdue_and_others_are(shipment_in):
    held, other = shipment_in("PENDING"), shipment_in("PENDING")
    Dispute(held.order_id).opened()
    Shipment.objects.update(due_at=now() - 2 * OVERDUE)

    assert found() == [("I10", f"shipment {other.pk}")]


def test_a_held_order_can_be_canceled(shipment_in):
    order_id = shipment_in("PENDING").order_id
    Dispute(order_id).opened()

    assert shipping.cancel_shipment(order_id=order_id, reason="test").status == "CANCELED"


def test_the_end_of_a_dispute_that_is_heard_after_a_later_fact_releases_nothing(shipment_in):
    order_id = shipment_in("PENDING").order_id
    dispute = Dispute(order_id)
    dispute.changed(revision=5)

    dispute.won(revision=3)

    hold = Hold.objects.get()
    assert (hold.revision, hold.released_at) == (5, None)
    book_all(order_id)
    assert status(order_id) == "PENDING"
