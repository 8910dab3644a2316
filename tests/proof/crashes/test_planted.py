"""The enumeration sees: each of these bugs passes every journey that nothing disturbs, and one kill shows it."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import transaction as django_transaction
from django.db.models.functions import Now

from orders.models import Saga
from payments.events import PaymentAuthorized, PaymentSubmitted
from payments.models import Payment, PaymentStatus
from payments.services import authorize
from payments.services.recording import change
from shop import topology, transactions
from shop.events import claims, dead_letters, subscribers
from shop.events.event import Event
from shop.events.worker import DeadLetteringConsumer
from shop.statements import Statement
from shop.tasks import deliver_event, deliver_events
from tests.driver.provider import Provider
from tests.proof.choosing import beginning_with
from tests.proof.crashes.enumeration import Enumeration, enumerate_crashes
from tests.proof.crashes.journeys.placing import Confirm
from tests.proof.crashes.over_rabbitmq import (
    Applied,
    AppliedTogether,
    Collected,
    OverRabbitmq,
    Published,
    recover_and_judge,
)

Plant = Callable[[pytest.MonkeyPatch], None]
# The package names the function, which is called as its module is.
placing = importlib.import_module("orders.services.place_order")


def saga_in_a_transaction_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = placing._PLACE_ORDER.text
    without_saga = whole.replace("'[]'::jsonb, 0, '' FROM placed", "'[]'::jsonb, 0, '' FROM placed WHERE false")
    assert without_saga != whole
    place = Statement("orders", "probe_place_order", text=without_saga)

    class Late:
        @staticmethod
        def run(*, order_id: Any, due_in: Any, **more: Any) -> Any:
            saga = {"order_id": order_id, "name": "checkout", "due_at": Now() + due_in}
            transactions.after_commit("orders", lambda: Saga.objects.create(**saga))
            return place.run(order_id=order_id, due_in=due_in, **more)

    monkeypatch.setattr(placing, "_PLACE_ORDER", Late)


def authorized_before_the_bank_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def hasty(payment: Payment, *, event: Event, **more: Any) -> Payment:
        changed = change(payment, event=event, **more)
        if isinstance(event, PaymentSubmitted):
            authorized = PaymentAuthorized(order_id=payment.order_id, amount=payment.amount)
            change(copy.copy(changed), expected=[PaymentStatus.SUBMITTED], event=authorized)
        return changed

    monkeypatch.setattr(authorize, "change", hasty)


def published_before_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    claim = claims.mark_and_claim

    def hasty(context: str, arrived: Any, *, limit: int) -> Any:
        rows, mine = claim(context, arrived, limit=limit)
        if rows:
            claim(context, [row.pk for row in rows], limit=0)
        return rows, mine

    monkeypatch.setattr(claims, "mark_and_claim", hasty)


def inbox_row_before_the_effects(monkeypatch: pytest.MonkeyPatch) -> None:
    subscriber = subscribers.subscriber_named("shipping.create_shipment_for_order")

    def late(event: Any) -> None:
        def apply() -> None:
            with django_transaction.atomic(using=transactions.alias_for("shipping")):
                subscriber.handler(event)

        transactions.after_commit("shipping", apply)

    torn = replace(subscriber, handler=late)
    monkeypatch.setitem(subscribers._subscribers, subscriber.name, torn)


def acknowledged_before_it_is_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    for task in (deliver_event, deliver_events):
        monkeypatch.setattr(task, "acks_late", False)
    # The consumer would put it off until its one thread is free, which is when the task is over.
    at_once = lambda _consumer, acknowledge, *arguments: acknowledge(*arguments)  # noqa: E731
    monkeypatch.setattr(DeadLetteringConsumer, "call_soon", at_once)
    monkeypatch.setattr(DeadLetteringConsumer, "call_soon_ack", at_once)


def acknowledged_before_it_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    keep = dead_letters._keep

    def hasty(channel: Any, context: str) -> int:
        collected = 0
        while (message := channel.basic_get(topology.dead_queue(context).name)) is not None:
            channel.basic_ack(message.delivery_tag)
            keep(context, message.body, message.headers or {})
            collected += 1
        return collected

    monkeypatch.setattr(dead_letters, "_collect_from", hasty)


@pytest.mark.parametrize(
    ("plant", "where"),
    [
        (saga_in_a_transaction_of_its_own, "after INSERT orders_order"),
        (authorized_before_the_bank_is_asked, "before stripe POST /v1/payment_intents/*/confirm"),
        (published_before_it_is_sent, "before transport send order.placed"),
        (inbox_row_before_the_effects, "after COMMIT shipping_inbox"),
    ],
)
def test_a_planted_bug_is_found(
    plant: Plant, where: str, provider: Provider, drain: Callable[[], None], monkeypatch: pytest.MonkeyPatch
):
    plant(monkeypatch)

    found = enumerate_crashes(Confirm(provider, drain), choose=beginning_with(where))

    insist_on_found(plant, found)


@pytest.mark.parametrize(
    ("plant", "kind", "where"),
    [
        (published_before_it_is_sent, Published, "before amqp publish shipping.events"),
        (acknowledged_before_it_is_applied, Applied, "after amqp ack #1"),
        (acknowledged_before_it_is_applied, AppliedTogether, "after amqp ack #1"),
        (acknowledged_before_it_is_kept, Collected, "after amqp ack #1"),
    ],
)
def test_a_bug_planted_on_the_way_through_rabbitmq_is_found(
    plant: Plant,
    kind: type[OverRabbitmq],
    where: str,
    journey: Callable[[type[OverRabbitmq]], OverRabbitmq],
    monkeypatch: pytest.MonkeyPatch,
):
    plant(monkeypatch)

    found = enumerate_crashes(journey(kind), choose=beginning_with(where), judge=recover_and_judge)

    insist_on_found(plant, found)


def insist_on_found(plant: Plant, found: Enumeration) -> None:
    assert len(found.died_at) == 1
    assert found.violations, f"{plant.__name__} was not found"
    assert not [violation for violation in found.violations if violation.startswith("undisturbed")]
