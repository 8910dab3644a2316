"""A parcel whose payment is disputed: not booked, not handed over, let go when the dispute is won, left to staff when lost."""

from __future__ import annotations

import itertools
import uuid

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from payments.events import PaymentDisputeChanged, PaymentDisputeClosed, PaymentDisputeOpened
from shipping import api as shipping
from shipping import queries
from shipping.audit import OVERDUE
from shipping.models import Hold, Shipment
from shipping.services import booking, holds, shipments
from shop.clock import now
from shop.events.event import Envelope
from shop.events.inbox import DeliveryStatus, deliver
from shop.ids import new_id
from shop.money import Money
from tests.factories import UserFactory
from tests.integration.shipping.conftest import found, make_due

HOLD, SETTLE = "shipping.hold_parcel_while_disputed", "shipping.settle_hold_of_dispute"


class Dispute:
    """The facts of one dispute, as payments tells them."""

    def __init__(self, order_id: uuid.UUID) -> None:
        self.ids = {"order_id": order_id, "dispute_id": new_id()}

    def opened(self, times: int = 1) -> None:
        event = PaymentDisputeOpened(**self.ids, status="NEEDS_RESPONSE", reason="fraudulent", amount=Money(1, "EUR"))
        self.tell(HOLD, event, times)

    def changed(self, revision: int = 2) -> None:
        self.tell(HOLD, PaymentDisputeChanged(**self.ids, status="UNDER_REVIEW", revision=revision))

    def won(self, revision: int = 3) -> None:
        self.tell(SETTLE, PaymentDisputeClosed(**self.ids, status="WON", lost=Money(0, "EUR"), revision=revision))

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

    make_due(shipment)
    booking.track_shipments()

    assert status(shipment.order_id) in ("DISPATCHED", "DELIVERED")


def test_a_lost_dispute_leaves_the_parcel_to_staff_who_release_it(shipment_in):
    order_id = shipment_in("PENDING").order_id
    dispute = Dispute(order_id)
    dispute.opened()
    dispute.lost()
    book_all(order_id)
    assert status(order_id) == "PENDING"
    assert [each.by_staff for each in queries.story_of(order_id).upcoming] == [True]

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

    story = queries.story_of(shipment.order_id)
    assert [each.what for each in story.upcoming] == [
        "the parcel waits until the customer's bank has decided the dispute"
    ]
    assert "the parcel was held, since its payment is disputed" in [each.what for each in story.happened]
    page = at_the_desk().get(reverse("admin:shipping_shipment_changelist")).content.decode()
    assert "dispute" in page
    assert queries.dashboard_figures()["held for a dispute"] == "1"
    dispute.won()
    assert "the held parcel was released" in [each.what for each in queries.story_of(shipment.order_id).happened]
