"""Staff erase a person in the admin, and an erasure that stands still is named."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from shop import audit
from shop.models import Erasure, User
from shop.personal import erasure
from tests.driver.factories import UserFactory
from tests.driver.shopper import Shopper
from tests.driver.tables import execute
from tests.proof.security.erasure.person import EMAIL, asked, erased, named_in, tables


def test_staff_erase_a_person_after_a_question_and_it_is_recorded(desk: Client, shopper: Shopper):
    page = reverse("admin:shop_user_changelist")
    chosen = {"action": "erase_selected", "_selected_action": [str(shopper.user.pk)]}

    question = desk.post(page, chosen)
    assert (question.status_code, Erasure.objects.count()) == (200, 0)
    assert "cannot be undone" in question.content.decode()
    desk.post(page, chosen | {"post": "yes"})

    asked_for = Erasure.objects.get()
    actor = User.objects.get(email="desk@shop.example")
    assert (asked_for.user_id, asked_for.asked_by) == (shopper.user.pk, str(actor.pk))
    entry = LogEntry.objects.get(object_id=str(shopper.user.pk))
    assert (entry.user_id, entry.change_message) == (actor.pk, "erasure asked for")
    assert erased(asked_for.pk)
    entry.refresh_from_db()
    assert (entry.object_repr, entry.change_message, entry.user_id) == ("erased", "erasure asked for", actor.pk)
    assert named_in(tables(), EMAIL) == []


def test_staff_erase_nobody_who_may_more_than_they(desk: Client):
    chief = User.objects.create_superuser("chief@shop.example", "not-a-secret-1")

    desk.post(
        reverse("admin:shop_user_changelist"),
        {"action": "erase_selected", "_selected_action": [str(chief.pk)], "post": "yes"},
    )

    assert not Erasure.objects.exists()


def test_without_the_permission_there_is_no_such_action(shopper: Shopper):
    client = Client()
    client.force_login(UserFactory(is_staff=True, permissions=("shop.view_user", "shop.change_user")))

    client.post(
        reverse("admin:shop_user_changelist"),
        {"action": "erase_selected", "_selected_action": [str(shopper.user.pk)], "post": "yes"},
    )

    assert not Erasure.objects.exists()


def test_an_erasure_that_nobody_goes_on_with_is_named_by_audit_and_metrics(shopper: Shopper):
    erasure_id = asked(shopper)
    execute("shop", "UPDATE shop_erasure SET due_at = now() - interval '1 hour', asked_at = now() - interval '26 days'")

    assert [found.subject for found in audit.violations()] == [f"erasure {erasure_id}"]
    assert erasure.oldest_open()[()] > timedelta(days=25).total_seconds()
    assert erased(erasure_id)
    assert erasure.oldest_open()[()] == 0
