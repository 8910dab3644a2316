"""The flaws of the article that this shop grew from, each as a test that passes here."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from inventory import api as inventory
from notifications import api as notifications
from orders.models import Inbox, Order, Outbox
from orders.sagas.entry import resume
from payments import api as payments
from payments.models import Payment
from shipping.models import Shipment
from shop import transactions
from shop.events import dead_letters, outbox, relay
from shop.events.publishing import publish
from shop.events.transport import InlineTransport
from tests.driver.orders import dispatch, levels, make_due, payment, placed, reservation, status_of
from tests.driver.provider import Provider
from tests.driver.shopper import Shopper, id_in
from tests.driver.tables import execute, table_away


def test_the_order_is_stored_before_its_card_is_charged(shopper: Shopper, sandbox: Provider):
    """Article: the order was written after the charge; a crash in between took money for nothing."""
    sandbox.fail("lost_request", "/v1/payment_intents")

    order_id = id_in(shopper.place())

    assert (status_of(order_id), payment(order_id), sandbox.intents(order_id)) == ("AWAITING_PAYMENT", "NEW", [])
    assert Outbox.objects.filter(aggregate_id=order_id, type="order.placed").exists()


def test_creating_an_order_is_idempotent(shopper: Shopper, sandbox: Provider):
    """Article: every retry of POST /orders made and charged another order."""
    key = str(uuid.uuid4())

    answers = [shopper.place(key=key) for _retry in range(3)]

    assert {answer.content for answer in answers} == {answers[0].content}
    assert (Order.objects.count(), levels(), sandbox.money(id_in(answers[0]))) == (1, (9, 0, 1), (1, 1250))


def test_a_confirmed_orders_reservation_never_expires(shopper: Shopper, drain: Callable[[], None]):
    """Article: the sweeper released the stock of confirmed orders a quarter of an hour later."""
    order_id = id_in(shopper.place())
    execute("inventory", "UPDATE inventory_reservation SET expires_at = now() - interval '1 day'")

    inventory.release_expired_reservations()
    drain()

    assert (reservation(order_id), levels()) == ("COMMITTED", (9, 0, 1))


def test_a_reservation_that_is_being_paid_never_expires_under_its_payment(shopper: Shopper, sandbox: Provider):
    """Article: the same, while the customer was authenticating."""
    order_id = id_in(shopper.place(payment_method="pm_card_authenticationRequired"))
    execute("inventory", "UPDATE inventory_reservation SET expires_at = now() - interval '1 day'")

    inventory.release_expired_reservations()
    sandbox.answer_challenge(order_id, "approve")

    assert shopper.pay(order_id).json()["status"] == "CONFIRMED"
    assert levels() == (9, 0, 1)


@pytest.mark.parametrize(("fault", "status"), [("", 402), ("lost_request", 202)])
def test_a_repeated_payment_request_never_answers_success_for_failed_or_pending(
    fault: str, status: int, shopper: Shopper, sandbox: Provider
):
    """Article: "there is a payment already" was answered as success, whatever had become of it."""
    if fault:
        sandbox.fail(fault, "/v1/payment_intents/*/confirm", times=None)
    card = "pm_card_visa" if fault else "pm_card_chargeDeclinedStolenCard"
    order_id = id_in(shopper.place(payment_method=card))
    amount = Order.objects.get(pk=order_id).total

    again = shopper.pay(order_id, card)

    assert again.status_code == status
    assert again.json().get("next_action", "wait") == "wait"
    with pytest.raises((payments.PaymentUnknown, payments.PaymentClosed)):
        payments.authorize_payment(order_id=order_id, amount=amount, payment_method=card)
    assert sandbox.money(order_id)[0] == 0


def test_a_charge_that_timed_out_is_not_a_failure(
    shopper: Shopper, sandbox: Provider, settings: Any, settle: Callable[[], None]
):
    """Article: a timeout marked the payment FAILED and released the stock, while the provider had charged."""
    settings.STRIPE_TIMEOUT_SECONDS = 0.2
    sandbox.fail("late", "/v1/payment_intents/*/confirm", delay_seconds=60)

    answer = shopper.place()

    order_id = id_in(answer)
    assert (answer.status_code, payment(order_id), reservation(order_id)) == (202, "UNKNOWN", "PAYING")
    settings.STRIPE_TIMEOUT_SECONDS = 20.0
    settle()
    assert (status_of(order_id), sandbox.money(order_id)) == ("DELIVERED", (1, 1250))


def test_an_event_is_written_in_the_transaction_that_makes_it_true(shopper: Shopper):
    """Article: the event was published after the write; a crash in between lost it."""
    order_id = id_in(shopper.place())
    order = Order.objects.get(pk=order_id)

    told = Outbox.objects.filter(aggregate_id=order_id).order_by("id")

    assert [row.aggregate_version for row in told] == list(range(1, order.version + 1))
    assert not any(row.published_at for row in told)
    with pytest.raises(transactions.TransactionMisuse):
        publish(told[0].envelope().event(), aggregate_id=order_id, aggregate_version=9)


def test_every_consumer_is_idempotent(shopper: Shopper, staff: Shopper, drain: Callable[[], None]):
    """Article: a redelivered event shipped twice and mailed twice."""
    from django.apps import apps
    from django.core import mail

    order_id = id_in(shopper.place())
    # What a refund makes orders tell is guarded by nothing but its inbox.
    part = {"amount": {"amount_minor": 250, "currency": "EUR"}, "reason": "a scratch"}
    assert staff.post(f"orders/{order_id}/refunds", part).status_code == 201
    drain()
    version, mailed = Order.objects.get(pk=order_id).version, len(mail.outbox)

    for _again in range(2):
        for context in outbox.publishing_contexts():
            rows = apps.get_model(context, "Outbox").objects.order_by("id")
            InlineTransport().send([row.envelope() for row in rows])
        drain()

    assert (status_of(order_id), Order.objects.get(pk=order_id).version) == ("DELIVERED", version)
    assert Outbox.objects.filter(aggregate_id=order_id, type="order.refund_issued").count() == 1
    assert Shipment.objects.filter(order_id=order_id).count() == 1
    assert (len(mail.outbox), len(notifications.list_emails(order_id=order_id))) == (mailed, mailed)


def test_the_amount_is_never_taken_from_the_client(shopper: Shopper, sandbox: Provider):
    """Article: the storefront sent the amount to charge."""
    amounts: dict[str, Any] = {"amount": 1, "total": 1, "price": 1}
    for name, amount in amounts.items():
        assert shopper.place(**{name: amount}).status_code == 400
    assert shopper.place(expected_total={"amount_minor": 1, "currency": "EUR"}).status_code == 409

    order_id = id_in(shopper.place(quantity=2))

    assert sandbox.money(order_id) == (1, 2500)
    assert Payment.objects.get(pk=order_id).amount_minor == 2500


def test_a_dead_letter_is_replayed_by_staff_to_its_one_subscriber(mug: str, settings: Any, drain: Callable[[], None]):
    """Article: dead letters ended in a queue that nobody could replay."""
    settings.EVENTS_MAX_ATTEMPTS = 1
    order_id = placed()
    resume(order_id=order_id)
    dispatch(order_id, tell=False)
    with table_away("orders", "orders_order"):
        relay.drain_all()
    (letter,) = dead_letters.dead_letters("orders")
    assert (letter.event_type, status_of(order_id)) == ("shipment.dispatched", "CONFIRMED")

    dead_letters.replay(context="orders", entry_id=letter.pk, staff="ops@shop.example")
    make_due()
    drain()

    replayed = Inbox.objects.get(pk=letter.pk)
    assert (replayed.status, replayed.decided_by) == ("PROCESSED", "ops@shop.example")
    assert status_of(order_id) == "DELIVERED"
    assert list(dead_letters.dead_letters()) == []
