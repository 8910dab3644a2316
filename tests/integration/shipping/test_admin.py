"""Staff at work in the admin: by permission, logged, and never by editing a row."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from shipping.models import Shipment, SurplusBooking
from tests.integration.shipping.disputes import Dispute

DONE = {"_form_submitted": "True"}


@pytest.fixture
def staff(database):
    """Return a function that signs a member of staff in, with these permissions on shipments."""

    def sign_in(*permissions: str) -> Client:
        users = get_user_model().objects
        user = users.create_user(email="sam@shop.example", password="x" * 12)
        user.is_staff = True
        user.save()
        user.user_permissions.set(
            Permission.objects.filter(content_type__app_label="shipping", codename__in=permissions)
        )
        client = Client()
        client.force_login(user)
        return client

    return sign_in


def url(shipment: Shipment, action: str) -> str:
    return reverse(f"admin:shipping_shipment_{action}", args=[shipment.pk])


def test_staff_dispatch_a_parcel_and_it_is_logged(staff, shipment_in, settings):
    settings.SHIPPING_CARRIER = "manual"
    shipment, client = shipment_in("BOOKED"), staff("change_shipment")

    asked = client.get(url(shipment, "dispatch_one"))
    client.post(url(shipment, "dispatch_one"), DONE | {"carrier": "DHL", "tracking_number": "jd 01"})

    shipment.refresh_from_db()
    assert b"tracking_number" in asked.content
    assert (shipment.status, shipment.carrier, shipment.tracking_number) == ("DISPATCHED", "DHL", "JD01")
    assert "dispatched with DHL" in LogEntry.objects.get().change_message

    client.post(url(shipment, "confirm_one"), DONE)

    shipment.refresh_from_db()
    assert shipment.status == "DELIVERED"
    assert LogEntry.objects.count() == 2


def test_dispatch_without_a_number_changes_nothing(staff, shipment_in):
    shipment, client = shipment_in("BOOKED"), staff("change_shipment")

    client.post(url(shipment, "dispatch_one"), DONE | {"carrier": "DHL", "tracking_number": ""})

    shipment.refresh_from_db()
    assert shipment.status == "BOOKED"
    assert not LogEntry.objects.exists()


def test_refusal_is_shown_and_not_logged_as_done(staff, shipment_in):
    shipment, client = shipment_in("PENDING"), staff("change_shipment")

    answer = client.post(url(shipment, "confirm_one"), DONE, follow=True)

    assert "The parcel has not left yet" in answer.content.decode()
    assert not LogEntry.objects.exists()


def test_refused_booking_is_retried_or_shipped_by_hand(staff, shipment_in):
    shipment, client = shipment_in("PENDING"), staff("change_shipment")
    Shipment.objects.filter(pk=shipment.pk).update(refusal_code="carrier_refused", due_at=None, carrier="sandbox")

    client.post(url(shipment, "book_by_hand"), DONE)

    shipment.refresh_from_db()
    assert (shipment.carrier, shipment.refusal_code) == ("manual", "")
    assert shipment.due_at is not None

    client.post(url(shipment, "retry_one"), DONE)

    assert LogEntry.objects.count() == 2


@pytest.mark.parametrize("action", ["dispatch_one", "confirm_one", "retry_one", "book_by_hand"])
def test_who_may_only_look_can_do_nothing(action, staff, shipment_in):
    shipment, client = shipment_in("BOOKED"), staff("view_shipment")

    answer = client.post(url(shipment, action), DONE | {"carrier": "DHL", "tracking_number": "T"})

    shipment.refresh_from_db()
    assert answer.status_code == 403
    assert shipment.status == "BOOKED"


def test_surplus_booking_is_tried_again_or_settled_by_hand(staff, booked_twice):
    booked_twice()
    SurplusBooking.objects.update(due_at=None, last_error="carrier_refused: it has left")
    row, client = SurplusBooking.objects.get(), staff("change_surplusbooking")
    urls = [reverse(f"admin:shipping_surplusbooking_{name}", args=[row.pk]) for name in ("retry_one", "settle_one")]

    shown = client.get(reverse("admin:shipping_surplusbooking_changelist"))
    client.post(urls[0], DONE)
    row.refresh_from_db()
    assert b"staff" in shown.content
    assert row.due_at is not None
    client.post(urls[1], DONE)
    again = client.post(urls[0], DONE, follow=True)

    row.refresh_from_db()
    assert row.taken_back_at is not None
    assert "taken back or settled already" in again.content.decode()
    assert LogEntry.objects.count() == 2


@pytest.mark.parametrize("action", ["retry_one", "settle_one"])
def test_who_may_only_look_at_a_surplus_booking_can_do_nothing(action, staff, booked_twice):
    booked_twice()
    SurplusBooking.objects.update(due_at=None)
    row, client = SurplusBooking.objects.get(), staff("view_surplusbooking")

    answer = client.post(reverse(f"admin:shipping_surplusbooking_{action}", args=[row.pk]), DONE)

    row.refresh_from_db()
    assert answer.status_code == 403
    assert (row.due_at, row.taken_back_at) == (None, None)


def test_lists_and_pages_open_and_offer_no_editing(staff, shipment_in):
    models = ("shipment", "outbox", "inbox", "surplusbooking")
    shipment, client = shipment_in("BOOKED"), staff(*(f"view_{model}" for model in models))

    pages = [reverse(f"admin:shipping_{model}_changelist") for model in models]
    page = client.get(reverse("admin:shipping_shipment_change", args=[shipment.pk]))

    assert [client.get(each).status_code for each in pages] == [200] * 4
    assert page.status_code == 200
    assert b'name="status"' not in page.content
    assert (
        client.post(reverse("admin:shipping_shipment_change", args=[shipment.pk]), {"status": "DELIVERED"}).status_code
        == 403
    )


def act_on(client: Client, page: str, action: str, *rows: object):
    """Act on the selected rows of a list, the question answered."""
    chosen = {"action": action, "_selected_action": [str(row) for row in rows], "post": "yes"}
    return client.post(reverse(f"admin:shipping_{page}_changelist"), chosen, follow=True)


def test_selected_parcels_are_marked_delivered_and_one_refusal_stops_no_other(staff, shipment_in):
    left, waiting, client = shipment_in("DISPATCHED"), shipment_in("PENDING"), staff("change_shipment")

    page = act_on(client, "shipment", "confirm_selected", waiting.pk, left.pk).content.decode()

    assert [Shipment.objects.get(pk=row.pk).status for row in (left, waiting)] == ["DELIVERED", "PENDING"]
    assert "The parcel has not left yet" in page
    assert LogEntry.objects.count() == 1


def test_selected_parcels_are_booked_anew_and_one_refusal_stops_no_other(staff, shipment_in):
    booked, refused, client = shipment_in("BOOKED"), shipment_in("PENDING"), staff("change_shipment")
    Shipment.objects.filter(pk=refused.pk).update(refusal_code="carrier_refused", due_at=None, carrier="sandbox")

    page = act_on(client, "shipment", "retry_selected", booked.pk, refused.pk).content.decode()

    refused.refresh_from_db()
    assert (refused.refusal_code, refused.due_at is not None) == ("", True)
    assert "The shipment does not wait for a booking" in page


def test_selected_surplus_bookings_are_tried_again_and_one_that_is_over_waits_for_nobody(staff, booked_twice):
    booked_twice()
    SurplusBooking.objects.update(due_at=None, last_error="carrier_refused: it has left")
    row, client = SurplusBooking.objects.get(), staff("change_surplusbooking")

    act_on(client, "surplusbooking", "retry_selected", row.pk)
    row.refresh_from_db()
    assert row.due_at is not None

    client.post(reverse("admin:shipping_surplusbooking_settle_one", args=[row.pk]), DONE)
    page = client.get(reverse("admin:shipping_surplusbooking_changelist"))
    assert [page.context["cl"].model_admin.waits_for(each) for each in page.context["cl"].result_list] == ["-"]


def test_the_list_of_held_parcels_says_who_decides(staff, shipment_in):
    parcels = [Dispute(shipment_in("PENDING").order_id) for _each in range(3)]
    for dispute in parcels:
        dispute.opened()
    parcels[1].lost()
    parcels[2].won()
    client = staff("view_hold")

    found = client.get(reverse("admin:shipping_hold_changelist")).context["cl"]

    says = {each.order_id: found.model_admin.waits_for(each) for each in found.result_list}
    assert [says[dispute.ids["order_id"]] for dispute in parcels] == ["the bank", "staff", "-"]
