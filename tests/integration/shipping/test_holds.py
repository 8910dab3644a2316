"""A parcel whose payment is disputed: not booked, its booking taken back, not handed over, let go when the dispute is won, left to staff when lost."""

from __future__ import annotations

import itertools
import threading
import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.db import connections
from django.test import Client
from django.urls import reverse

from local.carrier.gateway import SandboxCarrier
from local.carrier.models import SandboxBooking
from local.waiting import wait_until
from payments.events import PaymentDisputeChanged, PaymentDisputeClosed, PaymentDisputeOpened, PaymentRefunded
from shipping import api as shipping
from shipping import gateways, queries
from shipping.audit import OVERDUE
from shipping.gateways import Address, CarrierUnavailable, Parcel
from shipping.models import Hold, Shipment
from shipping.services import booking, bookings, holds, shipments, unbooking
from shop import transactions
from shop.clock import now
from shop.events.event import Envelope
from shop.events.inbox import DeliveryStatus, deliver
from shop.ids import new_id
from shop.money import Money
from tests.driver.factories import UserFactory
from tests.driver.sessions import waiting_for
from tests.integration.shipping.shipments import found, make_due

HOLD, SETTLE = "shipping.hold_parcel_while_disputed", "shipping.settle_hold_of_dispute"
KEEP = "shipping.keep_parcel_of_refunded_payment"
ADDRESS = Address("Ada Lovelace", "Allee 1", "", "Berlin", "10115", "", "DE")


class Dispute:
    """The facts of one dispute, as payments tells them."""

    def __init__(self, order_id: uuid.UUID) -> None:
        self.ids = {"order_id": order_id, "dispute_id": new_id()}

    def opened(self, times: int = 1) -> None:
        event = PaymentDisputeOpened(**self.ids, status="NEEDS_RESPONSE", reason="fraudulent", amount=Money(1, "EUR"))
        self.tell(HOLD, event, times)

    def changed(self, revision: int = 2) -> None:
        self.tell(HOLD, PaymentDisputeChanged(**self.ids, status="UNDER_REVIEW", revision=revision))

    def won(self, revision: int = 3, *, refunded_in_full: bool = False) -> None:
        nothing = Money(0, "EUR")
        event = PaymentDisputeClosed(
            **self.ids, status="WON", lost=nothing, revision=revision, refunded_in_full=refunded_in_full
        )
        self.tell(SETTLE, event)

    def refunded(self, *, full: bool = True) -> None:
        money = Money(2500, "EUR")
        event = PaymentRefunded(order_id=self.ids["order_id"], refund_id=new_id(), amount=money, total=money, full=full)
        self.tell(KEEP, event, times=2)

    def lost(self, revision: int = 3) -> None:
        self.tell(SETTLE, PaymentDisputeClosed(**self.ids, status="LOST", lost=Money(1, "EUR"), revision=revision))

    def tell(self, subscriber, event, times: int = 1) -> None:
        envelope = Envelope(
            event_id=new_id(),
            type=event.type,
            version=event.version,
            context="payments",
            aggregate_id=self.ids["dispute_id"],
            aggregate_version=1,
            occurred_at=now(),
            data=event.payload(),
        )
        for _time in range(times):
            assert deliver(subscriber=subscriber, attributes=envelope.to_json()) in (DeliveryStatus.PROCESSED, None)


def status(order_id):
    return shipping.get_shipment(order_id=order_id).status


def book_all(order_id):
    make_due(Shipment.objects.get(order_id=order_id))
    booking.book_due_shipments()


def wait_until_somebody_waits_for_our_lock():
    with connections[transactions.alias_for("shipping")].cursor() as cursor:
        assert wait_until(lambda: waiting_for(cursor) > 0, seconds=60), "nobody waits"


def at_the_desk():
    user = UserFactory(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_shipment", "change_shipment"]))
    client = Client()
    client.force_login(user)
    return client


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
    taken = []
    monkeypatch.setattr(shipments.handover, "lease_seconds", lambda _sweep, *, rows: 60.0 if handed_over else None)
    monkeypatch.setattr(shipments.handover, "hand_over", lambda *_args, **_more: taken.append(_more["pk"]))

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
