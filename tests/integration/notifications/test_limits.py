"""One mailbox gets so many emails about orders that nobody paid for; emails of paid orders always go, and what is withheld is seen."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.db import connections
from django.db.models.functions import Now

from notifications import metrics
from notifications.models import Email
from notifications.queries import dashboard_figures, tell_story
from notifications.services import emails, limits, personal, sending
from orders import api as orders
from orders.models import Order
from shop import transactions
from tests.driver.factories import UserFactory
from tests.driver.sessions import waiting_for
from tests.integration.notifications.emails import FACTS, make_due
from tests.integration.notifications.records import facts_of, record_refunds
from tests.integration.notifications.test_audit import found

PATIENCE_SECONDS = 60.0
CANCELED = "tell_customer_order_canceled"


@pytest.fixture(autouse=True)
def limited(settings: Any) -> None:
    settings.MAX_UNPAID_ORDER_EMAILS = 2


@pytest.fixture
def declined(placed_order, hear) -> Callable[..., Email]:
    """Return a function that leaves an email about a declined order to be sent."""

    def make(email: str = "ada@gmail.com") -> Email:
        order_id = placed_order(email=email)
        hear(CANCELED, order_id)
        return Email.objects.get(order_id=order_id)

    return make


def statuses(*queued: Email) -> list[str]:
    return [Email.objects.values_list("status", flat=True).get(pk=email.pk) for email in queued]


def test_a_stranger_gets_so_many_emails_about_unpaid_orders_and_the_rest_is_withheld_with_its_reason(declined):
    before = metrics.WITHHELD._value.get()
    spelled = ("ada@gmail.com", "A.da@Gmail.com", "ada+3@gmail.com", "ada@googlemail.com", "ADA@gmail.com")
    queued = [declined(address) for address in spelled]
    other = declined("bob@example.com")

    sending.send_due_emails()

    assert statuses(*queued, other) == ["SENT", "SENT", "WITHHELD", "SENT", "WITHHELD", "SENT"]
    assert sorted(message.to[0] for message in mail.outbox) == sorted([*spelled[:2], spelled[3], other_address()])
    withheld = Email.objects.get(pk=queued[2].pk)
    assert (withheld.last_error, withheld.due_at, withheld.sent_at) == (
        "recipient_limit: its recipient gets 2 emails about unpaid orders in 86400 s",
        None,
        None,
    )
    assert facts_of(withheld) == ["email.queued", "email.withheld"]
    assert metrics.WITHHELD._value.get() - before == 2
    assert dashboard_figures()["withheld"] == "2"
    (told,) = [each for each in tell_story(withheld.order_id).happened if "withheld" in each.what]
    assert told.facts["reason"] == withheld.last_error


def test_the_audit_knows_a_withheld_email_by_the_reason_that_sending_wrote(declined):
    queued = [declined() for _each in range(3)]
    sending.send_due_emails()
    assert statuses(*queued) == ["SENT", "SENT", "WITHHELD"]
    assert found() == []

    Email.objects.filter(pk=queued[2].pk).update(last_error="for no reason")

    assert found() == [("I8", f"email {queued[2].pk}")]


def other_address() -> str:
    return "bob@example.com"


@pytest.mark.parametrize("handler", sorted(set(FACTS) - {CANCELED}))
def test_every_other_email_goes_though_nothing_more_goes_to_strangers(handler, settings, placed_order, hear, declined):
    settings.MAX_UNPAID_ORDER_EMAILS = 0
    order_id = placed_order(email="ada@gmail.com")
    Order.objects.filter(pk=order_id).update(confirmed_at=Now())
    hear(handler, order_id)
    stranger = declined()

    sending.send_due_emails()

    assert statuses(Email.objects.get(order_id=order_id), stranger) == ["SENT", "WITHHELD"]


@pytest.mark.parametrize("handler", sorted(FACTS))
def test_an_order_that_costs_nothing_is_no_way_to_send_a_stranger_more(handler, settings, placed_order, hear):
    order_id = placed_order(email="ada@gmail.com")
    Order.objects.filter(pk=order_id).update(confirmed_at=Now(), total_minor=0)
    settings.MAX_UNPAID_ORDER_EMAILS = 0
    hear(handler, order_id)

    sending.send_due_emails()

    withheld = Email.objects.get(order_id=order_id)
    assert (withheld.status, withheld.last_error.partition(":")[0]) == ("WITHHELD", "recipient_limit_free")
    assert found() == []


def test_whoever_has_verified_the_mailbox_hears_of_each_order_that_costs_nothing(settings, placed_order, hear):
    settings.MAX_UNPAID_ORDER_EMAILS = 0
    order_id = placed_order(email="a.da@gmail.com")
    customer = UserFactory(email="ada@gmail.com")
    EmailAddress.objects.create(user=customer, email="ada@gmail.com", verified=True, primary=True)
    Order.objects.filter(pk=order_id).update(confirmed_at=Now(), total_minor=0, customer_id=customer.pk)
    hear("tell_customer_order_confirmed", order_id)

    sending.send_due_emails()

    assert statuses(Email.objects.get(order_id=order_id)) == ["SENT"]


def test_who_paid_is_told_of_the_cancel_though_the_order_was_never_confirmed(settings, declined):
    settings.MAX_UNPAID_ORDER_EMAILS = 0
    paid, unpaid = declined(), declined()
    record_refunds(paid.order_id, parts=(2500,), by_cancel=0)

    sending.send_due_emails()

    assert statuses(paid, unpaid) == ["SENT", "WITHHELD"]


def test_an_email_that_the_mail_server_refused_for_now_is_one_however_often_it_is_tried(
    settings, declined, mail_server
):
    settings.MAX_UNPAID_ORDER_EMAILS = 1
    mail_server.trouble = [ConnectionError(), ConnectionError()]
    only = declined()
    for _turn in range(3):
        sending.send_due_emails()
        make_due(only)

    assert (statuses(only), len(mail.outbox)) == (["SENT"], 1)


def test_the_limit_is_one_of_time_and_staff_may_send_a_withheld_email_later(declined):
    earlier, later = [declined() for _each in range(2)], declined()
    sending.send_due_emails()
    assert statuses(*earlier, later) == ["SENT", "SENT", "WITHHELD"]

    emails.send_again(email_id=later.pk)
    sending.send_due_emails()
    assert statuses(later) == ["WITHHELD"]

    Email.objects.filter(pk=earlier[0].pk).update(queued_at=Now() - timedelta(days=1, seconds=1))
    emails.send_again(email_id=later.pk)
    sending.send_due_emails()

    assert statuses(later) == ["SENT"]
    assert facts_of(later) == ["email.queued", *["email.withheld", "email.queued"] * 2, "email.sent"]


def test_two_workers_never_let_more_through_than_one_would(settings, declined):
    settings.MAX_UNPAID_ORDER_EMAILS = 1
    queued = [declined(), declined()]
    waits = (queued[1], orders.get_order(order_id=queued[1].order_id))
    answers: list[bool] = []
    with transactions.transaction("notifications"):
        answers.append(limits.admit(queued[0], limits.recipient_key("ada@gmail.com")))
        other = threading.Thread(target=lambda: answers.append(in_its_own_connection(*waits)))
        other.start()
        wait_until_blocked_or_done(other)
    other.join(PATIENCE_SECONDS)

    assert answers == [True, False]


def in_its_own_connection(email: Email, order: Any) -> bool:
    try:
        return limits.may_be_sent(email, order)
    finally:
        connections.close_all()


def wait_until_blocked_or_done(thread: threading.Thread) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while thread.is_alive():
        with connections[transactions.alias_for("notifications")].cursor() as cursor:
            if waiting_for(cursor):
                return
        assert time.monotonic() < deadline, "the other worker neither waits nor ends"


def test_an_erasure_forgets_which_mailbox_it_was(declined):
    queued = [declined() for _each in range(3)]
    sending.send_due_emails()
    assert Email.objects.filter(recipient_key=limits.recipient_key("ada@gmail.com")).count() == 2

    erased: list[UUID] = [email.order_id for email in queued]
    assert personal.erase(erased, whole=True) == 2

    assert not Email.objects.filter(recipient_key__isnull=False).exists()
    assert "recipient_limit" in Email.objects.get(pk=queued[2].pk).last_error
    assert personal.erase(erased, whole=True) == 0
