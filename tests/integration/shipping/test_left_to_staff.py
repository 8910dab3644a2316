"""A held parcel that staff decide on: what is left to them, what they read, and what they are offered."""

from __future__ import annotations

import pytest
from django.urls import reverse

from shipping import api as shipping
from shipping import queries
from shipping.models import Hold, Shipment
from shipping.services import booking, holds, unbooking
from tests.integration.shipping.disputes import Dispute, at_the_desk, book_all, status


@pytest.mark.parametrize("order", [("refunded", "won"), ("won", "refunded"), ("won in full",)], ids="-".join)
def test_a_parcel_whose_money_went_back_in_full_is_left_to_staff_by_the_end_of_its_dispute(shipment_in, order):
    shipment = shipment_in("BOOKED")
    dispute = Dispute(shipment.order_id)
    dispute.opened()
    for fact in order:
        dispute.won(refunded_in_full=True) if fact == "won in full" else getattr(dispute, fact)()
    unbooking.take_back_held_bookings()
    book_all(shipment.order_id)

    assert status(shipment.order_id) == "PENDING"
    (step,) = queries.tell_story(shipment.order_id).upcoming
    assert step.by_staff
    assert step.what == "staff decide: its money went back in full; cancel the order, or release its parcel"
    assert queries.dashboard_figures()["held for staff to decide"] == "1"

    holds.release_by_staff(shipment_id=shipment.pk)
    booking.book_due_shipments()
    assert status(shipment.order_id) == "BOOKED"
    dispute.refunded()
    assert status(shipment.order_id) == "BOOKED"


def test_a_part_that_went_back_holds_no_parcel_and_a_parcel_that_left_is_held_by_nothing(shipment_in):
    pending, left = shipment_in("PENDING"), shipment_in("DISPATCHED")
    for shipment, full in ((pending, False), (left, True)):
        dispute = Dispute(shipment.order_id)
        dispute.opened()
        dispute.won()
        dispute.refunded(full=full)

    assert not Hold.objects.filter(released_at=None).exists()


def test_a_lost_dispute_leaves_the_parcel_to_staff_who_release_it(shipment_in):
    order_id = shipment_in("PENDING").order_id
    dispute = Dispute(order_id)
    dispute.opened()
    dispute.lost()
    book_all(order_id)
    assert status(order_id) == "PENDING"
    assert [each.by_staff for each in queries.tell_story(order_id).upcoming] == [True]

    url = reverse("admin:shipping_shipment_release_one", args=[Shipment.objects.get(order_id=order_id).pk])
    answer = at_the_desk().post(url, {"_form_submitted": "True"}, follow=True)
    assert "released" in answer.content.decode()
    booking.book_due_shipments()

    assert status(order_id) == "BOOKED"
    with pytest.raises(holds.NothingHeld):
        holds.release_by_staff(shipment_id=Shipment.objects.get(order_id=order_id).pk)


def test_what_staff_released_is_not_held_again_by_the_same_dispute(shipment_in):
    shipment = shipment_in("PENDING")
    dispute = Dispute(shipment.order_id)
    dispute.opened()
    holds.release_by_staff(shipment_id=shipment.pk)

    dispute.lost()
    assert Hold.objects.get().released_at is not None

    Dispute(shipment.order_id).opened()
    book_all(shipment.order_id)
    assert status(shipment.order_id) == "PENDING"


def test_the_story_and_the_list_say_what_the_parcel_waits_for(shipment_in):
    shipment = shipment_in("PENDING")
    dispute = Dispute(shipment.order_id)
    dispute.opened()

    story = queries.tell_story(shipment.order_id)
    assert [each.what for each in story.upcoming] == [
        "the parcel waits until the customer's bank has decided the dispute"
    ]
    assert "the parcel was held, since its payment is disputed" in [each.what for each in story.happened]
    page = at_the_desk().get(reverse("admin:shipping_shipment_changelist")).content.decode()
    assert "dispute" in page
    assert queries.dashboard_figures()["held until a bank decides"] == "1"
    dispute.won()
    assert "the held parcel was released" in [each.what for each in queries.tell_story(shipment.order_id).happened]


@pytest.mark.parametrize("end", ["delivered", "canceled"])
def test_the_dashboard_counts_no_parcel_that_a_dispute_no_longer_stops(shipment_in, end):
    left, waits = shipment_in("DELIVERED" if end == "delivered" else "CANCELED"), shipment_in("PENDING")
    dispute, other = Dispute(left.order_id), Dispute(waits.order_id)
    for each in (dispute, other):
        each.opened()
    assert queries.dashboard_figures()["held until a bank decides"] == "1"
    assert queries.dashboard_figures()["to book"] == "0"

    dispute.lost()
    assert queries.dashboard_figures()["held for staff to decide"] == "0"
    other.lost()
    figures = queries.dashboard_figures()
    assert (figures["held for staff to decide"], figures["held until a bank decides"]) == ("1", "0")


OFFERED = {
    "PENDING": {"retry_one", "book_by_hand"},
    "BOOKED": {"dispatch_one"},
    "DISPATCHED": {"confirm_one"},
    "DELIVERED": set(),
    "CANCELED": set(),
}


@pytest.mark.parametrize("standing", OFFERED)
@pytest.mark.parametrize("end", [None, "opened", "lost"])
def test_a_shipment_s_page_says_that_it_is_held_and_offers_only_what_is_not_refused(shipment_in, standing, end):
    shipment = shipment_in(standing)
    dispute = Dispute(shipment.order_id)
    if end:
        dispute.opened()
    if end == "lost":
        dispute.lost()
    held = end is not None and standing in ("PENDING", "BOOKED")

    page = at_the_desk().get(reverse("admin:shipping_shipment_change", args=[shipment.pk])).content.decode()

    actions = {"dispatch_one", "confirm_one", "retry_one", "book_by_hand", "release_one"}
    urls = {name: reverse(f"admin:shipping_shipment_{name}", args=[shipment.pk]) for name in actions}
    assert {name for name in actions if urls[name] in page} == ({"release_one"} if held else OFFERED[standing])
    assert ("This parcel is held" in page) == held
    assert ("has yet to decide" in page) == (held and end == "opened")
    assert ("was lost to a dispute. Cancel the order" in page) == (held and end == "lost")


def test_the_end_of_a_dispute_leaves_nothing_to_staff_where_the_parcel_was_stopped_before(shipment_in):
    shipment = shipment_in("PENDING")
    dispute = Dispute(shipment.order_id)
    dispute.opened()
    shipping.cancel_shipment(order_id=shipment.order_id, reason="staff_request")
    dispute.refunded()

    dispute.won(refunded_in_full=True)

    assert not Hold.objects.filter(released_at=None).exists()
