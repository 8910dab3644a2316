"""What is left of a person who is erased: nobody signs in, nothing is sent, and the story is still told."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from notifications.models import Email
from notifications.services.emails import send_again
from orders.api import get_order
from orders.models import Order
from payments.models import Payment
from shipping.models import Shipment
from shipping.services import booking
from shop import audit
from shop.models import Erasure, IdempotencyKey, User
from shop.personal import accounts, erasure
from shop.personal.accounts import person_of
from tests.driver.factories import PASSWORD
from tests.driver.provider import Provider
from tests.driver.shopper import Shopper, id_in
from tests.proof.security.erasure.person import EMAIL, asked, body, erased


def test_a_closed_account_opens_to_no_password_and_no_token(shopper: Shopper):
    user = shopper.user
    assert user is not None

    accounts.close(person_of(user_id=user.pk))

    user.refresh_from_db()
    assert (user.is_active, user.has_usable_password(), user.is_staff, user.last_login) == (False, False, False, None)
    # Its session is still there, and opens nothing.
    assert Session.objects.exists()
    assert shopper.get("orders").status_code == 401
    login = {"email": user.email, "password": PASSWORD}
    assert Client().post("/_allauth/app/v1/auth/login", login, content_type="application/json").status_code == 400


def test_nobody_signs_in_any_more_and_the_address_is_free(shopper: Shopper, sandbox: Provider):
    order_id = id_in(shopper.post("orders", body()))
    assert shopper.get(f"orders/{order_id}").status_code == 200

    erasure.carry_out(asked(shopper))

    assert shopper.get(f"orders/{order_id}").status_code == 401
    login = {"email": EMAIL, "password": PASSWORD}
    assert Client().post("/_allauth/app/v1/auth/login", login, content_type="application/json").status_code == 400
    assert not Session.objects.exists()
    assert not IdempotencyKey.objects.exists()
    again = Client().post("/_allauth/app/v1/auth/signup", login, content_type="application/json")
    assert again.status_code in (200, 401), again.content
    assert User.objects.get(email=EMAIL).pk != shopper.user.pk


def test_no_mail_and_no_parcel_goes_to_who_is_erased(shopper: Shopper, settle: Callable[[], None]):
    order_id = id_in(shopper.post("orders", body()))
    shopper.cancel(order_id)
    settle()
    Email.objects.filter(order_id=order_id, kind="order_canceled").update(status="FAILED", sent_at=None)
    failed = Email.objects.filter(order_id=order_id).first()
    assert failed is not None
    Email.objects.filter(pk=failed.pk).update(status="FAILED", sent_at=None)
    assert erased(asked(shopper))
    mail.outbox.clear()

    send_again(email_id=failed.pk)
    settle()

    failed.refresh_from_db()
    assert (failed.status, failed.last_error.split(":")[0], mail.outbox) == ("FAILED", "recipient_erased", [])
    with pytest.raises(booking.AddressErased):
        booking._what_goes_where(get_order(order_id=order_id))
    # The fact of the second try stands beside no move of the audit's: it is put back as it was.
    Email.objects.filter(pk=failed.pk).delete()


def test_staff_read_erased_and_the_story_is_still_told(shopper: Shopper, staff: Shopper, settle: Callable[[], None]):
    order_id = id_in(shopper.post("orders", body()))
    shopper.cancel(order_id)
    settle()
    assert erased(asked(shopper))

    seen = staff.order(order_id)
    assert (seen["shipping_address"]["name"], seen["email"]) == ("erased", "erased@erased.invalid")
    assert (seen["shipping_address"]["country"], seen["status"]) == ("PT", "REFUNDED")
    printed = io.StringIO()
    call_command("explain_order", str(order_id), stdout=printed)
    assert "the rest of its money went back" in printed.getvalue()
    desk = Client()
    desk.force_login(User.objects.create_superuser("desk@shop.example", "not-a-secret-1"))
    for model in (Order, Payment, Email, Shipment, User, Erasure):
        for row in model.objects.all():
            page = desk.get(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[row.pk]))
            assert page.status_code == 200, (model, row.pk)
    assert "erased" in desk.get(reverse("admin:orders_order_change", args=[order_id])).content.decode()
    assert [found.detail for found in audit.violations()] == []


def test_an_erased_order_answers_no_tracking_number(
    neighbor: Shopper, staff: Shopper, shopper: Shopper, settle: Callable[[], None]
):
    order_id = id_in(neighbor.post("orders", body()))
    settle()
    before = neighbor.order(order_id)
    assert (before["status"], before["tracking_number"] != "") == ("DELIVERED", True)

    assert erased(asked(shopper))

    for reader in (neighbor, staff):
        seen = reader.order(order_id)
        assert (seen["tracking_number"], seen["carrier"], seen["email"]) == (
            "", before["carrier"], "erased@erased.invalid",
        )  # fmt: skip
    assert [each["tracking_number"] for each in neighbor.get("orders").json()["results"]] == [""]
