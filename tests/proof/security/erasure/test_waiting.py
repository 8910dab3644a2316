"""What an erasure waits for, what it says meanwhile, and where it goes on."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest

from orders.models import Contact
from shop.events import unheard
from shop.models import Erasure
from shop.personal import accounts, erasure, keepers
from tests.driver.ageing import let_all_be_heard
from tests.driver.factories import UserFactory
from tests.driver.shopper import Shopper, id_in
from tests.driver.tables import execute
from tests.proof.security.erasure.person import (
    EMAIL,
    asked,
    body,
    erased,
    named_in,
    pass_settling,
    tables,
)


@pytest.mark.parametrize("why", ["refund", "owed", "dispute", "mail", "surplus"])
def test_an_ended_order_that_still_needs_its_data_waits(shopper: Shopper, settle: Callable[[], None], why: str):
    order_id = id_in(shopper.post("orders", body()))
    shopper.cancel(order_id)
    settle()
    kept: dict[str, Callable[[], None]] = {
        "refund": lambda: execute("payments", "UPDATE payments_refund SET status = 'PENDING'"),
        "owed": lambda: execute("payments", "UPDATE payments_payment SET owed_minor = 1"),
        "dispute": lambda: execute("payments", "UPDATE payments_payment SET dispute_status = 'UNDER_REVIEW'"),
        "mail": lambda: execute("notifications", "UPDATE notifications_email SET status = 'PENDING'"),
        "surplus": lambda: execute(
            "shipping",
            "INSERT INTO shipping_surplusbooking (shipment_id, order_id, carrier, carrier_reference, attempts, last_error)"
            " VALUES (%s, %s, 'sandbox', 'SBX-1', 0, '')",
            order_id,
            order_id,
        ),
    }
    kept[why]()

    erasure_id = asked(shopper)
    assert not erased(erasure_id)

    waiting = Erasure.objects.get(pk=erasure_id).waiting_for
    assert len(waiting) == 1
    assert str(order_id) in waiting[0]
    assert Contact.objects.get(pk=order_id).erased_at is None
    undo = {
        "refund": ("payments", "UPDATE payments_refund SET status = 'SUCCEEDED'"),
        "owed": ("payments", "UPDATE payments_payment SET owed_minor = 0"),
        "dispute": ("payments", "UPDATE payments_payment SET dispute_status = ''"),
        "mail": ("notifications", "UPDATE notifications_email SET status = 'SENT'"),
        "surplus": ("shipping", "DELETE FROM shipping_surplusbooking"),
    }
    execute(*undo[why])
    assert erased(erasure_id)


@pytest.mark.parametrize("context", ["orders", "payments"])
def test_an_event_of_the_last_minutes_is_named_and_waited_for_no_longer_than_that(
    shopper: Shopper, settle: Callable[[], None], context: str
):
    order_id = id_in(shopper.post("orders", body()))
    shopper.cancel(order_id)
    settle()
    execute(
        context,
        f"UPDATE {context}_outbox SET occurred_at = now(), published_at = now() WHERE aggregate_id = %s",
        order_id,
    )
    erasure_id = asked(shopper)

    assert not erasure.carry_out(erasure_id)

    row = Erasure.objects.get(pk=erasure_id)
    last = {"orders": "order.refunded", "payments": "payment.refunded"}[context]
    assert row.waiting_for == [f"{order_id}: its event {last} is less than 5 minutes old"]
    assert row.due_at is not None
    assert timedelta(minutes=1) < row.due_at - row.asked_at < timedelta(minutes=10)
    let_all_be_heard()
    assert not erasure.carry_out(erasure_id)
    assert Contact.objects.get(pk=order_id).erased_at is not None


def test_an_event_that_is_not_published_is_named(shopper: Shopper, settle: Callable[[], None]):
    order_id = id_in(shopper.post("orders", body()))
    shopper.cancel(order_id)
    settle()
    last = "SELECT max(id) FROM orders_outbox WHERE aggregate_id = %s"
    execute("orders", f"UPDATE orders_outbox SET published_at = NULL WHERE id = ({last})", order_id)

    assert list(keepers.waiting_among([uuid.UUID(str(order_id))]).values()) == [
        "its event order.refunded is not published"
    ]


def test_an_event_that_was_published_minutes_after_it_occurred_is_waited_for(
    shopper: Shopper, settle: Callable[[], None]
):
    order_id = id_in(shopper.post("orders", body()))
    shopper.cancel(order_id)
    settle()
    execute("orders", "UPDATE orders_outbox SET published_at = now() WHERE aggregate_id = %s", order_id)

    assert list(keepers.waiting_among([uuid.UUID(str(order_id))]).values()) == [
        "its event order.refunded is less than 5 minutes old"
    ]


@pytest.mark.parametrize("heard", ["never", "RETRYING", "DEAD"])
def test_an_order_waits_for_whoever_has_yet_to_apply_one_of_its_events(
    shopper: Shopper, settle: Callable[[], None], heard: str
):
    unheard.note_subscriptions()
    execute("shop", "UPDATE shop_subscription SET since = now() - interval '1 day'")
    order_id = id_in(shopper.post("orders", body()))
    shopper.cancel(order_id)
    settle()
    teller = "notifications.tell_customer_order_refunded"
    if heard == "never":
        execute("notifications", "DELETE FROM notifications_inbox WHERE subscriber = %s", teller)
    else:
        execute("notifications", "UPDATE notifications_inbox SET status = %s WHERE subscriber = %s", heard, teller)

    assert list(keepers.waiting_among([uuid.UUID(str(order_id))]).values()) == [
        f"its event order.refunded was not applied by {teller} yet"
    ]
    execute("notifications", "UPDATE notifications_inbox SET status = 'PROCESSED' WHERE subscriber = %s", teller)


def test_an_order_that_waits_for_more_than_minutes_says_so_and_is_looked_at_in_an_hour(
    shopper: Shopper, settle: Callable[[], None]
):
    order_id = id_in(shopper.post("orders", body()))
    shopper.cancel(order_id)
    settle()
    execute("payments", "UPDATE payments_refund SET status = 'PENDING'")
    execute("payments", "UPDATE payments_outbox SET occurred_at = now(), published_at = now()")
    erasure_id = asked(shopper)

    assert not erasure.carry_out(erasure_id)

    row = Erasure.objects.get(pk=erasure_id)
    assert row.waiting_for == [f"{order_id}: a refund is under way"]
    assert row.due_at is not None
    assert row.due_at - row.asked_at > timedelta(minutes=50)
    execute("payments", "UPDATE payments_refund SET status = 'SUCCEEDED'")


def test_a_walk_through_many_sessions_goes_on_where_it_stopped(shopper: Shopper, monkeypatch: pytest.MonkeyPatch):
    for _each in range(6):
        Shopper(shopper.user)
    others = [Shopper(UserFactory()) for _each in range(3)]
    monkeypatch.setattr(accounts, "SESSIONS_AT_ONCE", 2)
    monkeypatch.setattr(accounts, "SECONDS", 0.0)
    erasure_id = asked(shopper)

    looks = 0
    while not erasure.carry_out(erasure_id):
        if not Erasure.objects.get(pk=erasure_id).sessions_read_to:
            pass_settling(erasure_id)
        looks += 1
        assert looks < 40

    assert looks > 5
    assert all(other.get("orders").status_code == 200 for other in others)
    assert named_in(tables(), EMAIL) == []
