"""What the relay set aside comes back by command, or by staff who may, and is published once."""

from io import StringIO

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse

from notifications.models import EmailKind, Outbox
from notifications.services import emails
from shop import transactions
from shop.events import quarantine, relay
from shop.ids import new_id
from shop.models import User

URL = "admin:notifications_outbox_{}"


@pytest.fixture
def set_aside(database):
    """Return three rows that were refused for good."""
    for _email in range(3):
        with transactions.transaction("notifications"):
            emails.queue_email(kind=EmailKind.ORDER_CONFIRMED, order_id=new_id())
    Outbox.objects.update(quarantined_at=Now(), attempts=10, last_error="no queue takes it")
    assert relay.drain_all() == 0
    return list(Outbox.objects.order_by("id"))


def waiting():
    return list(Outbox.objects.filter(quarantined_at=None, published_at=None, attempts=0).order_by("id"))


def looker(*codenames):
    user = User.objects.create_user("reader@shop.example", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(codename__in=codenames, content_type__app_label="notifications")
    )
    client = Client()
    client.force_login(user)
    return client


def test_chosen_rows_are_released_once_with_fresh_attempts(set_aside, monkeypatch):
    woken: list[str] = []
    monkeypatch.setattr(relay, "wake", woken.append)
    first = set_aside[0]

    released = [quarantine.release_quarantined("notifications", staff="ops", ids=[first.pk]) for _time in range(2)]

    assert released == [1, 0]
    assert waiting() == [first]
    assert woken == ["notifications"]
    assert relay.drain_all() == 1
    assert quarantine.release_quarantined("notifications", staff="ops", ids=[first.pk]) == 0


def test_rows_that_merely_wait_are_left_alone(set_aside):
    Outbox.objects.filter(pk=set_aside[0].pk).update(quarantined_at=None, attempts=4)

    assert quarantine.release_quarantined("notifications", staff="ops") == 2
    assert waiting() == set_aside[1:]


def test_command_releases_every_context_and_publishes(set_aside):
    told = [StringIO(), StringIO()]

    for out in told:
        call_command("relay_outbox", "--release-quarantined", stdout=out)

    assert [out.getvalue().splitlines() for out in told] == [
        ["3 events released from quarantine", "3 events published"],
        ["0 events released from quarantine", "0 events published"],
    ]


def test_command_releases_only_when_told_to(set_aside):
    out = StringIO()

    call_command("relay_outbox", stdout=out)

    assert out.getvalue() == "0 events published\n"


def test_staff_release_the_selected_rows_and_the_log_says_who(staff, set_aside):
    chosen = [row.pk for row in set_aside[:2]]

    staff.post(
        reverse(URL.format("changelist")), {"action": "release_selected", "_selected_action": chosen, "post": "yes"}
    )

    assert [row.pk for row in waiting()] == chosen
    assert {(entry.user, entry.object_id, entry.change_message) for entry in LogEntry.objects.all()} == {
        (staff.user, str(pk), "released from quarantine") for pk in chosen
    }


def test_the_button_asks_first_and_tells_when_there_is_nothing_to_release(staff, set_aside):
    page = reverse(URL.format("change"), args=[set_aside[0].pk])
    url = page.replace("/change/", "/release/")

    assert (staff.get(url).status_code, waiting()) == (200, [])
    assert staff.post(url, {"_form_submitted": "on"}, headers={"HX-Request": "true"})["HX-Redirect"] == page
    assert waiting() == set_aside[:1]

    again = staff.post(url, {"_form_submitted": "on"}, follow=True)
    assert "it is not quarantined" in again.content.decode()
    assert LogEntry.objects.count() == 1


@pytest.mark.parametrize(("permissions", "released"), [(["view_outbox"], 0), (["view_outbox", "change_outbox"], 1)])
def test_only_who_may_change_the_outbox_releases(permissions, released, set_aside):
    client = looker(*permissions)
    page = reverse(URL.format("change"), args=[set_aside[0].pk])

    assert client.get(page).status_code == 200
    client.post(page.replace("/change/", "/release/"), {"_form_submitted": "on"})

    assert len(waiting()) == released
