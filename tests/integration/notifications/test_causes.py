"""One email for each cause, with what it has to say."""

import pytest
from django.core import mail
from django.db.models.functions import Now

from notifications import api as notifications
from notifications import rules
from notifications.models import Email
from notifications.queries import tell_story
from notifications.services import sending
from orders import api as orders
from orders.events import OrderRefundIssued
from orders.models import Order, Saga
from payments.events import PaymentRefunded
from shop.events.inbox import DeliveryStatus, deliver
from shop.ids import new_id
from shop.money import Money
from tests.driver.mails import html_of
from tests.integration.notifications.emails import ADDRESS, FACTS, envelope_of
from tests.integration.notifications.records import facts_of, record_refunds

KINDS = {
    "tell_customer_order_confirmed": "order_confirmed",
    "tell_customer_order_canceled": "order_canceled",
    "tell_customer_parcel_left": "order_shipped",
    "tell_customer_order_refunded": "order_refunded",
    "tell_customer_refund_issued": "refund_issued",
}


def test_a_backlog_asks_for_its_orders_once_and_an_order_that_is_gone_costs_the_others_nothing(
    placed_order, hear, monkeypatch
):
    order_ids = [placed_order() for _each in range(3)]
    for order_id in (*order_ids, gone := new_id()):
        hear("tell_customer_order_confirmed", order_id)
    asked = []
    ask_one = orders.get_order
    monkeypatch.setattr(
        orders, "get_order", lambda *, order_id: (asked.append(order_id), ask_one(order_id=order_id))[1]
    )

    sending.send_due_emails()

    assert asked == [gone]
    assert len(mail.outbox) == 3
    statuses = dict(Email.objects.values_list("order_id", "status"))
    assert statuses == dict.fromkeys(order_ids, "SENT") | {gone: "FAILED"}


@pytest.mark.parametrize("handler", FACTS)
def test_each_cause_is_mailed_once_however_often_it_is_heard(handler, placed_order, hear):
    order_id, event_id = placed_order(), new_id()

    heard = [hear(handler, order_id, event_id=event_id) for _time in range(2)]
    again = hear(handler, order_id)
    sending.send_due_emails()
    hear(handler, order_id)
    sending.send_due_emails()

    sent, state = mail.outbox, notifications.list_emails(order_id=order_id)
    assert heard == [DeliveryStatus.PROCESSED, None]
    assert again == DeliveryStatus.PROCESSED
    assert len(sent) == 1
    assert [(one.kind, one.status) for one in state] == [(KINDS[handler], "SENT")]
    assert facts_of(Email.objects.get()) == ["email.queued", "email.sent"]


def test_email_says_what_was_bought_in_text_and_html(queued_email):
    email = queued_email()
    number = Order.objects.get(pk=email.order_id).number

    sending.send_due_emails()

    (sent,) = mail.outbox
    html = html_of(sent)
    assert sent.to == [ADDRESS]
    assert sent.subject == f"Your order {number} is confirmed"
    assert "2 x Mug <b> (MUG): €25.00" in sent.body
    assert "Mug &lt;b&gt;" in html
    assert "€25.00" in html
    assert sent.message()["Message-ID"] == f"<{email.pk}@shop.example>"
    assert sent.message()["Auto-Submitted"] == "auto-generated"


def test_canceled_order_is_told_its_reason(placed_order, hear):
    order_id = placed_order()
    hear("tell_customer_order_canceled", order_id)

    sending.send_due_emails()

    assert rules.REASONS["card_declined"] in mail.outbox[0].body


def test_each_refund_of_an_order_is_mailed_with_its_amount(placed_order, hear):
    order_id = placed_order()
    refunds = [
        OrderRefundIssued(order_id=order_id, refund_id=new_id(), amount=Money(minor, "EUR"))
        for minor in (500, 500, 725)
    ]

    record_refunds(order_id, parts=(500, 500, 725), by_cancel=775)
    for fact in (*refunds, *refunds):
        hear("tell_customer_refund_issued", order_id, fact=fact)
    hear("tell_customer_order_refunded", order_id)
    sending.send_due_emails()

    parts, whole = mail.outbox[:-1], mail.outbox[-1]
    number = Order.objects.get(pk=order_id).number
    assert {sent.subject for sent in parts} == {f"Your order {number}: a refund is on its way"}
    assert ["We have refunded €5.00 to" in sent.body for sent in parts] == [True, True, False]
    assert "We have refunded €7.25 to the card" in parts[2].body
    assert "<strong>€7.25</strong>" in html_of(parts[2])
    assert whole.subject == f"Your refund for order {number}"
    assert "we have refunded €7.75 to" in whole.body
    assert "With the €17.25 that we had refunded before, that is\n€25.00 in all." in whole.body
    assert [str(one.amount) for one in notifications.list_emails(order_id=order_id)] == [
        "5.00 EUR",
        "5.00 EUR",
        "7.25 EUR",
        "None",
    ]
    assert tell_story(order_id).happened[0].facts["amount"] == "5.00 EUR"


def test_a_cancel_that_finds_all_the_money_refunded_names_what_went_back_before(placed_order, hear):
    order_id = placed_order()
    record_refunds(order_id, parts=(2000, 500), by_cancel=0)

    hear("tell_customer_order_refunded", order_id)
    sending.send_due_emails()

    assert "We had refunded €25.00 to the card\nyou paid with before" in mail.outbox[0].body
    assert "we have refunded" not in mail.outbox[0].body


def test_refund_that_payments_tells_twice_is_mailed_once(placed_order, drain):
    order_id, refunds = placed_order(), (new_id(), new_id())
    Order.objects.filter(pk=order_id).update(status="CONFIRMED")
    Saga.objects.filter(order_id=order_id).update(finished_at=Now())
    for refund_id in (*refunds, refunds[0]):
        fact = PaymentRefunded(
            order_id=order_id, refund_id=refund_id, amount=Money(500, "EUR"), total=Money(1000, "EUR"), full=False
        )
        envelope = envelope_of(fact, order_id, context="payments")
        for _time in range(2):
            deliver(subscriber="orders.announce_partial_refund", attributes=envelope.to_json())

    drain()

    assert [email.cause_id for email in Email.objects.order_by("queued_at")] == list(refunds)
    assert ["We have refunded €5.00 to" in sent.body for sent in mail.outbox] == [True, True]
