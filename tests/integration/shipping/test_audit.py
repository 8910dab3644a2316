"""What the audit finds in shipping: nothing in what the services made, and each planted violation."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from shipping.models import Inbox, Outbox, Shipment, ShipmentStatus, SurplusBooking, Watermark
from shop.events.past import Kept
from shop.ids import new_id
from tests.driver.facts import lose_facts
from tests.integration.shipping.shipments import found


@pytest.mark.parametrize("status", [str(status) for status in ShipmentStatus])
def test_what_services_make_is_clean(status, shipment_in):
    shipment_in(status)

    assert found() == []


def test_change_without_event_is_found(shipment_in):
    shipment = shipment_in("BOOKED")

    Shipment.objects.filter(pk=shipment.pk).update(version=3)

    assert found() == [("I8", f"shipment {shipment.pk}")]


def test_status_written_past_the_table_is_found(shipment_in):
    shipment = shipment_in("CANCELED")

    Shipment.objects.filter(pk=shipment.pk).update(status="PENDING")

    assert ("I9", f"shipment {shipment.pk}") in found()
    assert {subject for _promise, subject in found()} == {f"shipment {shipment.pk}"}


def test_move_that_the_table_does_not_hold_is_found(shipment_in):
    shipment = shipment_in("BOOKED")
    Outbox.objects.filter(aggregate_id=shipment.pk, aggregate_version=2).update(type="shipment.delivered")
    Shipment.objects.filter(pk=shipment.pk).update(status="DELIVERED", tracking_number="T")

    assert ("I9", f"shipment {shipment.pk}") in found()
    assert {subject for _promise, subject in found()} == {f"shipment {shipment.pk}"}


def test_work_that_nobody_does_is_found(shipment_in):
    shipment = shipment_in("PENDING")

    Shipment.objects.filter(pk=shipment.pk).update(due_at=Now() - timedelta(hours=1))

    assert found() == [("I10", f"shipment {shipment.pk}")]


def test_surplus_booking_that_nobody_takes_back_is_found(booked_twice):
    booked_twice()
    row = SurplusBooking.objects.get()

    assert found() == []
    SurplusBooking.objects.update(due_at=Now() - timedelta(hours=1))
    assert found() == [("I10", f"surplus booking {row.pk}")]
    SurplusBooking.objects.update(due_at=None)
    assert found() == [("I10", f"surplus booking {row.pk}")]


@pytest.mark.parametrize(("status", "problems"), [("RETRYING", 1), ("DEAD", 0), ("PROCESSED", 0), ("DISCARDED", 0)])
def test_delivery_that_nobody_retries_is_found_and_a_dead_letter_is_allowed(status, problems, database):
    Inbox.objects.create(
        subscriber="shipping.s",
        event_id=new_id(),
        event_type="t",
        status=status,
        due_at=Now() - timedelta(hours=1) if status == "RETRYING" else None,
        envelope={},
    )

    assert [promise for promise, _subject in found()] == ["I8"] * problems


def test_shipments_whose_facts_an_earlier_release_threw_away_are_not_asked_for_them(shipment_in):
    shipment = shipment_in("DELIVERED")
    lose_facts("shipping")
    assert found() == [("I8", f"shipment {shipment.pk}")]

    Shipment.objects.filter(pk=shipment.pk).update(created_at=Now() - timedelta(days=31))
    assert found() == [("I8", f"shipment {shipment.pk}")], "no age excuses it"

    Watermark.objects.create(kept=Kept.BEGAN, since=Now())
    assert found() == []
