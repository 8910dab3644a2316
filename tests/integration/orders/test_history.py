"""An order of any age is explained to the last fact, with who did it, and no retention makes the audit cry."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db.models import F

from notifications.models import Email
from notifications.services import emails
from orders.models import Order
from orders.rules import CancelReason
from orders.sagas.entry import cancel_order, resume
from shop import actors as actors_module
from shop.actors import acting
from shop.audit import violations as audited
from shop.clock import now
from shop.events import outbox, relay
from shop.events.outbox import outbox_of
from shop.events.past import Kept, facts_about, watermark_of
from shop.story.timeline import story_of
from shop.work.sweeps import sweeps
from tests.driver.facts import lose_facts
from tests.driver.orders import dispatch, placed, status_of
from tests.driver.provider import Provider
from tests.driver.shopper import Shopper, id_in
from tests.driver.tables import execute

MONTH = timedelta(days=31)
YEARS = timedelta(days=4000)


@pytest.fixture(autouse=True)
def shop_at_rest(sandbox: Provider) -> None:
    """Leave out the audit at the end: some of these tests leave facts missing on purpose."""
    cache.clear()  # no rate limits


def explain(order_id: uuid.UUID) -> list[str]:
    printed = StringIO()
    call_command("explain_order", str(order_id), stdout=printed)
    return printed.getvalue().splitlines()


def grow_old(*, by: timedelta = MONTH) -> None:
    """Let time pass for all facts, and for the rows that they are about."""
    for context in outbox.publishing_contexts():
        outbox_of(context)._default_manager.update(
            published_at=F("published_at") - by, occurred_at=F("occurred_at") - by
        )
    for context, table, *columns in (
        ("orders", "orders_order", "placed_at"),
        ("inventory", "inventory_reservation", "created_at"),
        ("payments", "payments_payment", "created_at", "changed_at"),
        ("payments", "payments_refund", "created_at", "changed_at"),
        ("payments", "payments_webhookevent", "received_at", "applied_at"),
        ("shipping", "shipping_shipment", "created_at", "booked_at", "dispatched_at", "delivered_at", "canceled_at"),
        ("notifications", "notifications_email", "queued_at", "sent_at"),
        *((context, f"{context}_inbox", "received_at") for context in ("orders", "shipping", "notifications")),
    ):
        moved = ", ".join(f"{column} = {column} - %s" for column in columns)
        execute(context, f"UPDATE {table} SET {moved}", *[by] * len(columns))


def prune() -> int:
    named = {sweep.name: sweep.run for sweep in sweeps()}
    return sum(named[f"{sweep}"]() for sweep in ("shop.prune_events", "shop.prune_history", "payments.prune_webhooks"))


def left_in_outboxes() -> int:
    return sum(outbox_of(context)._default_manager.count() for context in outbox.publishing_contexts())


@pytest.fixture
def eventful(
    shopper: Shopper, staff: Shopper, sandbox: Provider, post_webhook: Callable[..., Any], drain: Any
) -> uuid.UUID:
    """An order that was paid, told of by webhooks, refunded in part by staff, shipped and delivered."""
    order_id = id_in(shopper.place())
    body = {"amount": {"amount_minor": 100, "currency": "EUR"}, "reason": "a scratch"}
    assert staff.post(f"orders/{order_id}/refunds", body).status_code == 201
    for event in sandbox.events():
        post_webhook(event)
    dispatch(order_id)
    drain()
    return order_id


def test_an_order_older_than_the_retention_is_explained_to_the_last_fact(eventful: uuid.UUID, settings: Any):
    grow_old()
    young = explain(eventful)

    assert prune() > 0

    assert left_in_outboxes() == 0
    assert explain(eventful) == young
    told = "\n".join(young)
    for words in (
        "order was recorded",
        "stock was reserved",
        "money was taken",
        "Stripe sent",
        "refund is done",
        "sent",
    ):
        assert words in told
    assert list(audited()) == []


@pytest.mark.parametrize(("pruned", "then"), [(30, 3650), (30, 1), (1, 30), (1, 3650), (3650, 30)])
@pytest.mark.parametrize("also_the_history", [False, True])
def test_no_change_of_a_retention_makes_a_false_alarm(
    eventful: uuid.UUID, settings: Any, pruned: int, then: int, also_the_history: bool
):
    grow_old()
    settings.EVENTS_RETENTION_DAYS = pruned
    if also_the_history:
        settings.HISTORY_RETENTION_DAYS = pruned
    prune()

    settings.EVENTS_RETENTION_DAYS = settings.HISTORY_RETENTION_DAYS = then

    assert list(audited()) == []
    prune()
    assert list(audited()) == []


@pytest.mark.parametrize(
    ("context", "fact"),
    [
        ("orders", "order.confirmed"),
        ("inventory", "stock.reserved"),
        ("payments", "payment.submitted"),
        ("payments", "refund.requested"),
        ("shipping", "shipment.delivered"),
        ("notifications", "email.queued"),
    ],
)
def test_the_audit_misses_a_fact_of_the_history_however_old(eventful: uuid.UUID, context: str, fact: str):
    grow_old(by=timedelta(days=1000))
    prune()

    lose_facts(context, "type = %s", fact)

    assert {found.promise for found in audited()} == {"I8"}


def test_what_an_earlier_release_threw_away_is_no_violation_and_what_is_lost_since_is_one(
    shopper: Shopper, drain: Callable[[], None]
):
    order_id = id_in(shopper.place())
    while relay.drain_all():
        pass
    grow_old()
    lose_facts("orders", "aggregate_version < 3")
    began = watermark_of("orders")._default_manager.create(
        kept=Kept.BEGAN, since=Order.objects.get().placed_at + MONTH / 2
    )
    assert list(audited()) == []
    dispatch(order_id)
    drain()
    assert status_of(order_id) == "DELIVERED"
    assert list(audited()) == [], "of an order with a gap in its past the rest is judged"

    execute("orders", "UPDATE orders_outbox SET type = 'order.canceled' WHERE type = 'order.delivered'")
    assert {found.promise for found in audited()} == {"I9"}
    lose_facts("orders")
    began.since = Order.objects.get().placed_at - MONTH
    began.save()
    assert {found.promise for found in audited()} == {"I8"}


def actors(context: str, order_id: uuid.UUID) -> dict[str, str]:
    return {fact.type: fact.actor for fact in facts_about(context, [order_id])}


def test_each_fact_says_who_did_it(shopper: Shopper, staff: Shopper):
    assert shopper.user is not None
    assert staff.user is not None
    order_id = id_in(shopper.place())
    assert staff.post(f"orders/{order_id}/cancel").status_code == 200

    customer, employee = f"customer {shopper.user.pk}", f"staff {staff.user.pk}"
    told = actors("orders", order_id)
    assert told["order.placed"] == told["order.confirmed"] == customer
    assert told["order.refunding"] == told["order.refunded"] == employee
    assert actors("inventory", order_id) == {
        "stock.reserved": customer,
        "stock.committed": customer,
        "stock.returned": employee,
    }
    assert {*actors("payments", order_id).values()} == {customer, employee}
    facts = facts_about("orders", [order_id])
    assert len({fact.request_id for fact in facts}) == 2
    assert None not in {fact.request_id for fact in facts}


def test_what_is_done_later_says_by_which_work_it_was_done(
    shopper: Shopper, sandbox: Provider, drain: Callable[[], None]
):
    assert shopper.user is not None
    order_id = id_in(shopper.place(headers={"Prefer": "respond-async"}))
    drain()

    told = actors("orders", order_id)
    assert told["order.placed"] == f"customer {shopper.user.pk}"
    assert told["order.confirmed"] == "sweep orders.resume_sagas"
    assert {fact.request_id is None for fact in facts_about("orders", [order_id])} == {True, False}
    shipment, email = (
        {
            fact.type: fact.actor
            for row in model.objects.filter(order_id=order_id)
            for fact in facts_about(context, [row.pk])
        }
        for context, model in rows_of_an_order()
    )
    assert shipment["shipment.created"].startswith("subscriber shipping.")
    assert email["email.queued"].startswith("subscriber notifications.")
    assert email["email.sent"] == "sweep notifications.send_due_emails"


def rows_of_an_order() -> list[tuple[str, Any]]:
    from notifications.models import Email
    from shipping.models import Shipment

    return [("shipping", Shipment), ("notifications", Email)]


def test_the_provider_that_told_of_a_payment_is_named(
    shopper: Shopper, sandbox: Provider, post_webhook: Callable[..., Any], drain: Callable[[], None]
):
    order_id = id_in(shopper.place(payment_method="pm_card_authenticationRequired"))
    sandbox.answer_challenge(order_id, "approve")
    events = list(sandbox.events("payment_intent.amount_capturable_updated"))
    for event in events:
        post_webhook(event)
    drain()

    assert actors("payments", order_id)["payment.authorized"] == f"provider {events[0]['id']}"


def test_the_story_names_who_did_it_where_that_changes(shopper: Shopper, staff: Shopper):
    assert shopper.user is not None
    assert staff.user is not None
    order_id = id_in(shopper.place())
    staff.post(f"orders/{order_id}/cancel")

    lines = explain(order_id)

    [placed_line] = [line for line in lines if "the order was recorded" in line]
    assert f"by customer {shopper.user.pk}" in placed_line
    assert "request " in placed_line
    [canceled] = [line for line in lines if "canceled with a refund" in line]
    assert f"by staff {staff.user.pk}" in canceled
    assert len([line for line in lines if f"by customer {shopper.user.pk}" in line]) == 1


def test_the_story_names_who_sent_the_parcel_and_an_email_again(shopper: Shopper):
    order_id = id_in(shopper.place())
    with acting("staff 1"):
        dispatch(order_id)
    email = Email.objects.get(kind="order_confirmed")
    Email.objects.filter(pk=email.pk).update(status="FAILED", due_at=None, failed_at=now())
    with acting("staff 2"):
        emails.send_again(email_id=email.pk)

    told = {happening.what: happening.by for happening in story_of(order_id).happened}
    assert told["the parcel left with sandbox"] == "staff 1"
    assert told['the email "order confirmed" was queued'] == "subscriber notifications.tell_customer_order_confirmed"
    assert told['the email "order confirmed" was queued again'] == "staff 2"


def test_a_command_is_named_where_nobody_asks(mug: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(actors_module, "_process", "")
    order_id = placed()
    assert actors("orders", order_id) == {"order.placed": ""}
    actors_module.speak_for_process("command resume_sagas")

    resume(order_id=order_id)
    cancel_order(order_id=order_id, reason=CancelReason.STAFF_REQUEST)

    assert actors("orders", order_id)["order.refunded"] == "command resume_sagas"


def test_no_fact_goes_out_with_who_did_it(shopper: Shopper):
    assert shopper.user is not None
    order_id = id_in(shopper.place())

    [row] = outbox_of("orders")._default_manager.filter(aggregate_id=order_id, type="order.placed")

    assert str(shopper.user.pk) not in str(row.envelope().to_json())
    assert row.actor == f"customer {shopper.user.pk}"
