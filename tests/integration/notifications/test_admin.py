"""Staff have an email sent again in the admin."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from notifications.models import Email
from notifications.services import sending


@pytest.fixture
def staff(database):
    """Return a function that signs a member of staff in, with these permissions on emails."""

    def sign_in(*permissions: str) -> Client:
        user = get_user_model().objects.create_user(email="sam@shop.example", password="x" * 12)
        user.is_staff = True
        user.save()
        user.user_permissions.set(
            Permission.objects.filter(content_type__app_label="notifications", codename__in=permissions)
        )
        client = Client()
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def given_up(queued_email) -> Email:
    """An email that was given up."""
    email = queued_email()
    sending._give_up(email, "mail_server_unavailable: down")
    return email


def again(email: Email) -> str:
    return reverse("admin:notifications_email_send_one_again", args=[email.pk])


def test_email_that_was_given_up_is_sent_again_and_it_is_logged(staff, given_up):
    client = staff("change_email")

    client.post(again(given_up), {"_form_submitted": "True"})

    given_up.refresh_from_db()
    assert given_up.status == "PENDING"
    assert LogEntry.objects.get().change_message == "queued again"


def test_selected_emails_are_sent_again_and_what_was_not_given_up_is_left(staff, given_up, queued_email):
    waiting, client = queued_email(), staff("change_email")

    answer = client.post(
        reverse("admin:notifications_email_changelist"),
        {"action": "send_selected_again", "_selected_action": [given_up.pk, waiting.pk], "post": "yes"},
        follow=True,
    )

    given_up.refresh_from_db()
    waiting.refresh_from_db()
    assert given_up.status == "PENDING"
    assert waiting.version == 1
    assert "still being retried automatically" in answer.content.decode()


def test_who_may_only_look_sends_nothing(staff, given_up):
    client = staff("view_email")

    assert client.post(again(given_up), {"_form_submitted": "True"}).status_code == 403
    assert client.get(reverse("admin:notifications_email_changelist")).status_code == 200
    assert client.get(reverse("admin:notifications_email_change", args=[given_up.pk])).status_code == 200
    given_up.refresh_from_db()
    assert given_up.status == "FAILED"
