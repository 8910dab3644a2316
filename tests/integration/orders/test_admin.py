"""Staff's pages of orders: the whole story to read; cancel, refund and resume by the same use cases as the API."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from orders.models import Order
from orders.sagas.run import resume
from payments import services as payments_services
from payments.models import Refund
from tests.factories import UserFactory
from tests.integration.orders.conftest import placed, saga_of, status_of
from tests.provider import Provider


def signed_in(*permissions: str) -> Client:
    client = Client()
    client.force_login(
        UserFactory(is_staff=True, permissions=("orders.view_order", *permissions)),
        backend="django.contrib.auth.backends.ModelBackend",
    )
    return client


def act(client: Client, action: str, order_id: uuid.UUID, **form: Any) -> Any:
    return client.post(reverse(f"admin:orders_order_{action}", args=[order_id]), {"_form_submitted": "True", **form})


@pytest.fixture
def order_id(mug: str) -> uuid.UUID:
    made = placed()
    resume(order_id=made)
    return made


def test_the_page_of_an_order_tells_its_story_and_edits_nothing(order_id: uuid.UUID):
    client = signed_in()
    url = reverse("admin:orders_order_change", args=[order_id])

    page = client.get(url)

    assert page.status_code == 200
    assert "checkout: capture_payment -&gt; done" in page.content.decode()
    assert client.post(url, {"status": "CANCELED"}).status_code == 403
    assert client.get(reverse("admin:orders_order_add")).status_code == 403


def test_staff_cancel_an_order_with_a_refund_and_it_is_logged(order_id: uuid.UUID, sandbox: Provider):
    act(signed_in("orders.cancel_order"), "cancel_one", order_id)

    assert (status_of(order_id), sandbox.money(order_id)) == ("REFUNDED", (1, 0))
    assert Order.objects.get(pk=order_id).cancel_reason == "staff_request"
    assert LogEntry.objects.get().object_id == str(order_id)


def test_staff_refund_a_part(order_id: uuid.UUID, sandbox: Provider):
    client = signed_in("orders.refund_order")

    act(client, "refund_one", order_id, amount_minor=250, reason="a scratch")
    act(client, "refund_one", order_id, amount_minor=5000, reason="too much")

    assert (status_of(order_id), sandbox.money(order_id)) == ("CONFIRMED", (1, 1000))
    assert [entry.get_change_message() for entry in LogEntry.objects.all()] == ["refunded 2.50 EUR"]


def test_staff_resume_a_parked_saga(mug: str, sandbox: Provider):
    order_id = placed()
    sandbox.fail("error_500", "/v1/payment_intents/*/capture", times=10)
    for _attempt in range(10):
        resume(order_id=order_id)
    assert saga_of(order_id).parked_at is not None

    act(signed_in("orders.resume_saga"), "resume_one", order_id)

    assert (status_of(order_id), saga_of(order_id).parked_at) == ("CONFIRMED", None)


@pytest.mark.parametrize("action", ["cancel_one", "refund_one", "resume_one"])
def test_nothing_is_done_without_its_permission(action: str, order_id: uuid.UUID, sandbox: Provider):
    answer = act(signed_in(), action, order_id, amount_minor=250, reason="a scratch")

    assert answer.status_code == 403
    assert (status_of(order_id), sandbox.money(order_id)) == ("CONFIRMED", (1, 1250))


def said(answer: Any) -> str:
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))


def trail() -> list[str]:
    return [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")]


def test_refund_without_an_answer_is_in_the_trail_and_staff_are_told_not_to_repeat_it(
    order_id: uuid.UUID, sandbox: Provider
):
    sandbox.fail("error_500", "/v1/refunds", times=10)

    answer = act(signed_in("orders.refund_order"), "refund_one", order_id, amount_minor=250, reason="a scratch")

    assert trail() == ["refunded 2.50 EUR: its outcome is not known yet"]
    assert "goes on by itself: do not repeat it" in said(answer)


def test_same_refund_asked_for_on_a_new_page_while_it_is_under_way_is_made_once(order_id: uuid.UUID, sandbox: Provider):
    client = signed_in("orders.refund_order")
    sandbox.fail("error_500", "/v1/refunds", times=10)
    act(client, "refund_one", order_id, amount_minor=250, reason="a scratch", csrfmiddlewaretoken="first page")
    sandbox.heal()

    answer = act(client, "refund_one", order_id, amount_minor=250, reason="a scratch", csrfmiddlewaretoken="second")
    act(client, "refund_one", order_id, amount_minor=100, reason="another one", csrfmiddlewaretoken="third")

    assert "a refund of 2.50 EUR is under way" in said(answer)
    assert sandbox.money(order_id) == (1, 1150), "another amount is another refund"
    assert trail() == ["refunded 2.50 EUR: its outcome is not known yet", "refunded 1.00 EUR"]

    due = Refund.objects.get(status="REQUESTED")
    payments_services.resume_refund(refund_id=due.pk)
    act(client, "refund_one", order_id, amount_minor=250, reason="a scratch again", csrfmiddlewaretoken="fourth")

    assert sandbox.money(order_id) == (1, 650), "what has its outcome is in nobody's way"
