"""Staff see payments, edit nothing, and refund or ask only with the permission for it."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from payments import api as payments
from payments.models import Payment
from shop.ids import new_id
from tests.integration.payments.books import violations

SUBMIT = {"_form_submitted": "True"}


@pytest.fixture
def staff():
    def make(*codenames):
        user = get_user_model().objects.create_user(email="staff@shop.example", password="pw", is_staff=True)
        user.user_permissions.set(
            Permission.objects.filter(content_type__app_label="payments", codename__in=["view_payment", *codenames])
        )
        client = Client()
        client.force_login(user)
        return client

    return make


@pytest.mark.parametrize("model", ["payment", "refund", "webhookevent", "strayintent", "outbox"])
def test_every_list_opens_for_an_administrator(sandbox, captured, model):
    client = Client()
    client.force_login(get_user_model().objects.create_superuser(email="boss@shop.example", password="pw"))

    assert client.get(reverse(f"admin:payments_{model}_changelist")).status_code == 200
    assert client.get(reverse("admin:payments_payment_change", args=[captured.order_id])).status_code == 200
    assert client.get(reverse("admin:payments_payment_add")).status_code == 403


def test_refund_needs_its_permission_and_gives_back_once(sandbox, captured, order_id, staff):
    url = reverse("admin:payments_payment_refund_one", args=[order_id])
    client = staff("refund_payment_in_full")

    client.post(url, SUBMIT)
    client.post(url, SUBMIT)

    assert payments.get_payment(order_id=order_id).status == "REFUNDED"
    assert sandbox.money(order_id) == (1, 0)
    assert violations() == []


def test_refunding_what_is_left_where_nothing_is_says_so(sandbox, captured, order_id, staff):
    url = reverse("admin:payments_payment_refund_one", args=[order_id])
    client = staff("refund_payment_in_full")
    client.post(url, SUBMIT)

    answer = client.post(url, SUBMIT)

    said = list(get_messages(answer.wsgi_request))[-1]
    assert (said.level_tag, "nothing is left to refund" in str(said)) == ("warning", True)


def test_refund_without_the_permission_is_forbidden(sandbox, captured, order_id, staff):
    client = staff("ask_provider")

    assert client.post(reverse("admin:payments_payment_refund_one", args=[order_id]), SUBMIT).status_code == 403
    assert client.post(reverse("admin:payments_payment_ask_about_one", args=[order_id]), SUBMIT).status_code in (
        200,
        302,
    )
    assert payments.get_payment(order_id=order_id).status == "CAPTURED"


def test_questions_about_money_name_the_sum_and_the_order(sandbox, captured, order_id, staff):
    client = staff("refund_payment_in_full")

    refund = client.get(reverse("admin:payments_payment_refund_one", args=[order_id])).content.decode()
    settle = client.get(reverse("admin:payments_payment_settle_one", args=[order_id])).content.decode()

    left = payments.get_refundable(order_id=order_id).localized()
    assert f"{left} of {left} is left to refund for order {order_id}" in refund
    assert f"Nothing is owed to the customer of order {order_id}" in settle
    payments.void_payment(order_id=(unknown := uuid4()), reason="test")
    never_begun = client.get(reverse("admin:payments_payment_refund_one", args=[unknown])).content.decode()
    assert f"Nothing is left to refund for order {unknown}" in never_begun


def test_selected_payments_are_asked_about_and_one_refusal_stops_no_other(sandbox, authorize, staff):
    orders = [new_id(), new_id()]
    for order in orders:
        authorize(order=order)
        sandbox.expire(order)
    Payment.objects.filter(pk=orders[1]).update(intent_id="pi_nobody")
    client = staff("ask_provider")
    asked = {"action": "ask_about_selected", "_selected_action": [str(each) for each in orders], "post": "yes"}

    answer = client.post(reverse("admin:payments_payment_changelist"), asked)

    assert answer.status_code == 302
    assert [payments.get_payment(order_id=order).status for order in orders] == ["VOIDED", "SUBMITTED"]
    assert {said.level_tag for said in get_messages(answer.wsgi_request)} == {"warning", "success"}


@pytest.mark.parametrize("action", ["refund_one", "settle_one"])
def test_question_about_a_payment_that_is_not_there_says_so(sandbox, staff, action):
    client = staff("refund_payment_in_full")

    page = client.get(reverse(f"admin:payments_payment_{action}", args=[uuid4()])).content.decode()

    assert "There is no such payment." in page
