"""Staff's pages of orders: the whole story to read; cancel, refund and resume by the same use cases as the API."""

from __future__ import annotations

import html
import re
import uuid
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from notifications.models import Email, EmailKind
from orders.models import Order
from orders.rules import CancelReason
from orders.sagas.entry import cancel_order, resume
from payments import services as payments_services
from payments.models import Refund
from shop.money import Money
from shop.story import timeline
from tests.driver.factories import ProductFactory, UserFactory
from tests.driver.orders import placed, saga_of, status_of
from tests.driver.provider import Provider


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


def test_the_page_of_an_order_names_the_country_of_its_address(order_id: uuid.UUID):
    page = signed_in("orders.view_contact").get(reverse("admin:orders_order_change", args=[order_id]))

    assert "Portugal" in page.content.decode()


def test_the_number_that_customers_know_finds_what_belongs_to_an_order_on_every_page(order_id: uuid.UUID):
    client = signed_in("payments.view_payment", "notifications.view_email", "shipping.view_shipment")
    number = Order.objects.values_list("number", flat=True).get(pk=order_id)

    page = html.unescape(client.get(reverse("admin:orders_order_change", args=[order_id])).content.decode())

    for name in ("payments_payment", "notifications_email", "shipping_shipment"):
        address = reverse(f"admin:{name}_changelist")
        assert f'href="{address}?q={order_id}"' in page
        assert client.get(address, {"q": "0000000000"}).status_code == 200
    assert reverse("admin:payments_refund_changelist") not in page, "not theirs to see"
    found = client.get(reverse("admin:payments_payment_changelist"), {"q": f"{number[:5]}-{number[5:].lower()}"})
    assert [row.pk for row in found.context["cl"].result_list] == [order_id]


def test_staff_cancel_an_order_with_a_refund_and_it_is_logged(order_id: uuid.UUID, sandbox: Provider):
    act(signed_in("orders.cancel_order"), "cancel_one", order_id)

    assert (status_of(order_id), sandbox.money(order_id)) == ("REFUNDED", (1, 0))
    assert Order.objects.get(pk=order_id).cancel_reason == "staff_request"
    assert LogEntry.objects.get().object_id == str(order_id)


def test_the_question_before_a_cancel_names_the_order_and_its_sum(order_id: uuid.UUID):
    page = signed_in("orders.cancel_order").get(reverse("admin:orders_order_cancel_one", args=[order_id]))

    number, total = Order.objects.values_list("number", "total_minor").get(pk=order_id)
    assert f"Order {number}, confirmed, {Money(total, 'EUR').localized()} in all" in html.unescape(
        page.content.decode()
    )


def test_staff_refund_a_part(order_id: uuid.UUID, sandbox: Provider):
    client = signed_in("orders.refund_order")

    act(client, "refund_one", order_id, amount="2.50", reason="a scratch")
    act(client, "refund_one", order_id, amount="50.00", reason="too much")

    assert (status_of(order_id), sandbox.money(order_id)) == ("CONFIRMED", (1, 1000))
    assert [entry.get_change_message() for entry in LogEntry.objects.all()] == ["refunded 2.50 EUR"]


@pytest.mark.parametrize(
    ("sku", "amount", "refunded"),
    [
        ("MUG", "12.50", 1250),
        ("MUG", "3", 300),
        ("MUG", "0.01", 1),
        ("TEAPOT", "1250", 1250),
        ("LAMP", "1.21", 1210),
        ("MUG", "12.505", "12.505 has too many decimals: EUR has 2 decimals."),
        ("MUG", "1.250", "1.250 has too many decimals: EUR has 2 decimals."),
        ("TEAPOT", "12.50", "12.50 has too many decimals: JPY has no decimals."),
        ("TEAPOT", "1.000", "1.000 has too many decimals: JPY has no decimals."),
        ("LAMP", "1.2055", "1.2055 has too many decimals: KWD has 3 decimals."),
        ("MUG", "0", "Nothing would be refunded: enter an amount."),
        ("MUG", "0,50", 50),
        ("MUG", " 2,5 ", 250),
        ("MUG", "1,250", "Write the amount as 1250 or 1250.50"),
        ("MUG", "1.234,50", "Write the amount as 1250 or 1250.50"),
        ("MUG", "1 250", "Write the amount as 1250 or 1250.50"),
        ("MUG", "-1", "Write the amount as 1250 or 1250.50"),
        ("MUG", "1e3", "Write the amount as 1250 or 1250.50"),
        ("MUG", "1234567890123456", "no more than 15 digits"),
        ("MUG", "NaN", "Write the amount as 1250 or 1250.50"),
        ("MUG", "\u0661\u0662", "Write the amount as 1250 or 1250.50"),
    ],
)
def test_staff_write_amounts_as_people_do(sku: str, amount: str, refunded: int | str, mug: str, sandbox: Provider):
    for other, minor, currency in (("TEAPOT", 7800, "JPY"), ("LAMP", 8900, "KWD")):
        ProductFactory(sku=other, stock=1, price=Money(minor, currency))
    order_id = placed((sku, 1))
    resume(order_id=order_id)

    answer = act(signed_in("orders.refund_order"), "refund_one", order_id, amount=amount, reason="a scratch")

    # A browser's field for numbers would drop the comma before we see it.
    dialog = signed_in("orders.refund_order", "orders.view_order").get(
        reverse("admin:orders_order_refund_one", args=[order_id])
    )
    assert 'type="number"' not in dialog.content.decode()
    if isinstance(refunded, int):
        assert Refund.objects.get().amount_minor == refunded
    else:
        assert refunded in html.unescape(answer.content.decode())
        assert not Refund.objects.exists()


def test_form_of_a_refund_says_in_which_currency_and_how_much_is_left(order_id: uuid.UUID):
    client, url = signed_in("orders.refund_order"), reverse("admin:orders_order_refund_one", args=[order_id])

    before = client.get(url).content.decode()
    act(client, "refund_one", order_id, amount="2.50", reason="a scratch")

    assert "Amount in EUR" in before
    assert "12.50 EUR may still be refunded." in before
    assert "10.00 EUR may still be refunded." in client.get(url).content.decode()


def test_form_of_a_refund_of_an_unpaid_order_names_its_own_currency(mug: str):
    order_id = placed()
    cancel_order(order_id=order_id, reason=CancelReason.STAFF_REQUEST)

    page = signed_in("orders.refund_order").get(reverse("admin:orders_order_refund_one", args=[order_id]))

    assert "0.00 EUR may still be refunded." in page.content.decode()


def test_form_of_a_refund_of_no_order_says_so():
    client = signed_in("orders.refund_order")
    for nobody in (uuid.uuid4(), "nonsense"):
        url = reverse("admin:orders_order_refund_one", args=[nobody])

        answer = client.post(url, {"_form_submitted": "True", "amount": "1", "reason": "a scratch"})

        assert "There is no such order." in answer.content.decode()


def test_staff_resume_a_parked_saga(mug: str, sandbox: Provider):
    order_id = placed()
    sandbox.fail("error_500", "/v1/payment_intents/*/capture", times=10)
    for _attempt in range(10):
        resume(order_id=order_id)
    assert saga_of(order_id).parked_at is not None

    act(signed_in("orders.resume_saga"), "resume_one", order_id)

    assert (status_of(order_id), saga_of(order_id).parked_at) == ("CONFIRMED", None)


def test_resuming_what_meets_a_fault_is_no_success(mug: str, sandbox: Provider):
    order_id = placed()
    sandbox.fail("error_500", "/v1/payment_intents/*/capture", times=20)
    resume(order_id=order_id)

    answer = act(signed_in("orders.resume_saga"), "resume_one", order_id)

    assert tags(answer) == ["warning"]
    assert "its outcome is not known yet" in said(answer)
    assert trail() == ["saga resumed: its outcome is not known yet"]


def test_resuming_what_waits_for_its_customer_says_so(mug: str, sandbox: Provider):
    order_id = placed(payment_method="pm_card_authenticationRequired")
    resume(order_id=order_id)

    answer = act(signed_in("orders.resume_saga"), "resume_one", order_id)

    assert (tags(answer), trail()) == (["warning"], ["walked, and it waits for the customer: it is AWAITING_PAYMENT"])


def test_resuming_where_nothing_is_unfinished_says_so(order_id: uuid.UUID):
    answer = act(signed_in("orders.resume_saga"), "resume_one", order_id)

    assert (tags(answer), "nothing to resume" in said(answer)) == (["warning"], True)


def test_resuming_what_goes_through_is_a_success(mug: str):
    order_id = placed()

    answer = act(signed_in("orders.resume_saga"), "resume_one", order_id)

    assert (tags(answer), trail(), status_of(order_id)) == (["success"], ["saga resumed"], "CONFIRMED")


def test_a_cancel_that_is_not_through_is_no_success(order_id: uuid.UUID, sandbox: Provider):
    sandbox.fail("error_500", "/v1/refunds", times=20)

    answer = act(signed_in("orders.cancel_order"), "cancel_one", order_id)

    assert (tags(answer), trail()) == (["warning"], ["is REFUNDING, and goes on automatically"])


def test_many_orders_are_canceled_only_once_the_question_is_answered(order_id: uuid.UUID, sandbox: Provider):
    client, url = signed_in("orders.cancel_order"), reverse("admin:orders_order_changelist")
    form = {"action": "cancel_selected", "_selected_action": [str(order_id)]}

    asked = client.post(url, form)

    assert (asked.status_code, status_of(order_id), sandbox.money(order_id)) == (200, "CONFIRMED", (1, 1250))
    told = " ".join(asked.content.decode().split())
    assert "Cancel, with a refund where paid: 1 order?" in told
    assert "its payment is voided or refunded in full" in told
    assert Order.objects.get().number in told
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', asked.content.decode()))
    assert hidden == hidden | {"action": "cancel_selected", "_selected_action": str(order_id), "post": "yes"}
    client.post(url, {name: value for name, value in hidden.items() if name != "csrfmiddlewaretoken"})
    assert (status_of(order_id), sandbox.money(order_id)) == ("REFUNDED", (1, 0))


def test_the_story_is_computed_once_a_page_and_breaks_where_the_screen_ends(
    order_id: uuid.UUID, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: Any
):
    told: list[uuid.UUID] = []
    monkeypatch.setitem(timeline._narrators, "counting", lambda asked: told.append(asked) or timeline.Story())
    client = signed_in()

    with django_assert_max_num_queries(45):
        page = client.get(reverse("admin:orders_order_change", args=[order_id])).content.decode()

    assert told == [order_id]
    assert re.search(r'<pre [^>]*style="white-space: pre-wrap; overflow-wrap: anywhere', page)


def test_parked_sagas_come_first(mug: str, sandbox: Provider):
    parked = placed()
    sandbox.fail("error_500", "/v1/payment_intents/*/capture", times=10)
    for _attempt in range(10):
        resume(order_id=parked)
    sandbox.heal()
    for _order in range(2):
        resume(order_id=placed())
    client = Client()
    client.force_login(
        UserFactory(is_staff=True, permissions=("orders.view_saga",)),
        backend="django.contrib.auth.backends.ModelBackend",
    )
    url = reverse("admin:orders_saga_changelist")

    default, by_start = (client.get(url, query).context["cl"].result_list for query in ({}, {"o": "2"}))

    assert next(saga.order_id for saga in default) == parked
    assert len(default) == len({saga.pk for saga in default}) == 3
    assert len(by_start) == 3
    resume(order_id=parked)


@pytest.mark.parametrize("action", ["cancel_one", "refund_one", "resume_one"])
def test_nothing_is_done_without_its_permission(action: str, order_id: uuid.UUID, sandbox: Provider):
    answer = act(signed_in(), action, order_id, amount="2.50", reason="a scratch")

    assert answer.status_code == 403
    assert (status_of(order_id), sandbox.money(order_id)) == ("CONFIRMED", (1, 1250))


def said(answer: Any) -> str:
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))


def tags(answer: Any) -> list[str]:
    return [message.level_tag for message in get_messages(answer.wsgi_request)]


def trail() -> list[str]:
    return [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")]


def test_refund_without_an_answer_is_in_the_trail_and_staff_are_told_not_to_repeat_it(
    order_id: uuid.UUID, sandbox: Provider
):
    sandbox.fail("error_500", "/v1/refunds", times=10)

    answer = act(signed_in("orders.refund_order"), "refund_one", order_id, amount="2.50", reason="a scratch")

    assert trail() == ["refunded 2.50 EUR: its outcome is not known yet"]
    assert "continues automatically: do not repeat it" in said(answer)


def test_same_refund_asked_for_on_a_new_page_while_it_is_under_way_is_made_once(order_id: uuid.UUID, sandbox: Provider):
    client = signed_in("orders.refund_order")
    sandbox.fail("error_500", "/v1/refunds", times=10)
    act(client, "refund_one", order_id, amount="2.50", reason="a scratch", csrfmiddlewaretoken="first page")
    sandbox.heal()

    answer = act(client, "refund_one", order_id, amount="2.50", reason="a scratch", csrfmiddlewaretoken="second")
    act(client, "refund_one", order_id, amount="1", reason="another one", csrfmiddlewaretoken="third")

    assert "a refund of 2.50 EUR is under way" in said(answer)
    assert sandbox.money(order_id) == (1, 1150), "another amount is another refund"
    assert trail() == ["refunded 2.50 EUR: its outcome is not known yet", "refunded 1.00 EUR"]

    due = Refund.objects.get(status="REQUESTED")
    payments_services.resume_refund(refund_id=due.pk)
    act(client, "refund_one", order_id, amount="2.50", reason="a scratch again", csrfmiddlewaretoken="fourth")

    assert sandbox.money(order_id) == (1, 650), "what has its outcome is in nobody's way"


def test_statuses_kinds_and_amounts_are_shown_as_people_read_them(order_id: uuid.UUID):
    payments_services.refund_payment(
        order_id=order_id, refund_id=uuid.uuid4(), amount=Money(250, "EUR"), reason="a scratch"
    )
    email = Email.objects.create(
        order_id=order_id, cause_id=order_id, kind=EmailKind.ORDER_CANCELED, reason="out_of_stock"
    )
    client = Client()
    client.force_login(
        UserFactory(is_staff=True, is_superuser=True), backend="django.contrib.auth.backends.ModelBackend"
    )

    def shown(where: str, *args: object, **query: str) -> str:
        return " ".join(client.get(reverse(f"admin:{where}", args=args), query).content.decode().split())

    assert str(email) == f"email of order {order_id}: order canceled, pending"
    page, rows = shown("notifications_email_change", email.pk), shown("notifications_email_changelist")
    assert f"Email of order {order_id}: order canceled, pending" in page
    for text in (page, rows):
        assert "out of stock" in text
        assert "order_canceled" not in re.sub(r'(href|value)="[^"]*"', "", text)
    page, rows = shown("payments_payment_change", order_id), shown("payments_payment_changelist")
    assert "partially refunded" in page.lower()
    assert "Partially Refunded" in rows
    assert "PARTIALLY_REFUNDED" not in re.sub(r'(href|value)="[^"]*"', "", rows + page)
    for text in (page, shown("payments_refund_changelist")):
        assert "€2.50" in text
    assert ">250<" not in page
    email.delete()


@pytest.mark.parametrize("action", ["cancel_one", "revoke_links_one"])
def test_a_question_about_an_order_that_is_not_there_says_so(mug: str, action: str):
    client = Client()
    client.force_login(
        UserFactory(is_staff=True, is_superuser=True), backend="django.contrib.auth.backends.ModelBackend"
    )

    page = client.get(reverse(f"admin:orders_order_{action}", args=[uuid.uuid4()]))

    assert "There is no such order." in page.content.decode()
