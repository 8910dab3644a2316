"""Batches of deliveries: one transaction where all is well, and the fate of each alone where it is not."""

from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import connections
from prometheus_client import REGISTRY

from notifications.models import Inbox
from orders.models import Outbox
from shop import transactions
from shop.events import batches, inbox, outbox, publishing
from shop.events.batches import deliver_batch, set_aside
from shop.events.inbox import retry_due
from shop.tasks import deliver_events
from tests.integration.events.bench import applied, apply, hear, ring


def rung(bells):
    for count, bell in enumerate(bells, start=1):
        ring(bell, count=count)
    return [row.envelope().to_json() for row in Outbox.objects.order_by("id")]


def statuses():
    return sorted(Inbox.objects.values_list("status", flat=True))


def test_batch_is_applied_once_however_often_it_comes(bell_book):
    told = rung([uuid4() for _ in range(5)])
    batch = [(bell_book, each) for each in told]
    deliver_batch(deliveries=batch)
    deliver_batch(deliveries=batch)
    deliver_batch(deliveries=batch[2:] + batch[:2] + batch)
    inbox.deliver(subscriber=bell_book, attributes=told[0])
    assert len(applied()) == 5
    assert statuses() == ["PROCESSED"] * 5


def test_time_until_a_fact_is_applied_is_told_once_for_each(bell_book):
    def heard():
        return REGISTRY.get_sample_value("shop_event_heard_seconds_count", {"context": "notifications"}) or 0

    told, before = rung([uuid4() for _ in range(3)]), heard()
    for _twice in range(2):
        inbox.deliver(subscriber=bell_book, attributes=told[0])
        deliver_batch(deliveries=[(bell_book, each) for each in told])
    assert heard() - before == 3


def test_order_of_an_aggregate_is_kept_in_a_batch(bell_book):
    bell, other = uuid4(), uuid4()
    told = rung([bell, other] * 5)
    deliver_batch(deliveries=[(bell_book, each) for each in told])
    assert [count for who, count in applied() if who == bell] == [1, 3, 5, 7, 9]
    assert [count for who, count in applied() if who == other] == [2, 4, 6, 8, 10]


def test_one_that_fails_keeps_no_other_from_being_applied():
    bad, runs = uuid4(), []

    def handler(event):
        runs.append(event.bell)
        apply(event, "notifications.fragile")
        if event.bell == bad:
            raise ValueError("spoiled")

    name = hear(handler, name="fragile")
    good = [uuid4() for _ in range(4)]
    told = rung([*good[:2], bad, *good[2:]])
    deliver_batch(deliveries=[(name, each) for each in told])
    assert sorted(bell for bell, _count in applied()) == sorted(good)
    assert statuses() == ["PROCESSED"] * 4 + ["RETRYING"]
    assert Inbox.objects.get(status="RETRYING").attempts == 1
    assert "spoiled" in Inbox.objects.get(status="RETRYING").error


def test_unreadable_one_dies_alone(bell_book):
    told = rung([uuid4() for _ in range(3)])
    told[1] = told[1] | {"type": "bench.unheard_of"}
    deliver_batch(deliveries=[*((bell_book, each) for each in told), ("notifications.nobody", told[0])])
    assert len(applied()) == 2
    assert statuses() == ["DEAD", "DEAD", "PROCESSED", "PROCESSED"]


def test_batch_that_another_worker_held_parts_ways(bell_book):
    told = rung([uuid4() for _ in range(3)])
    inbox.deliver(subscriber=bell_book, attributes=told[0])
    set_aside(deliveries=[(bell_book, each) for each in told], reason="x")
    assert statuses() == ["PROCESSED", "RETRYING", "RETRYING"]
    deliver_batch(deliveries=[(bell_book, each) for each in told[:2]])
    assert retry_due("notifications") == 1
    assert len(applied()) == 3
    assert statuses() == ["PROCESSED"] * 3


def test_what_a_batch_publishes_is_in_order_and_one_statement():
    def echo(event):
        from notifications.events import EmailQueued

        publishing.publish(
            EmailQueued(order_id=event.bell, kind="X"), aggregate_id=event.bell, aggregate_version=event.count
        )

    name = hear(echo, name="echo")
    bell = uuid4()
    told = rung([bell] * 6)
    connection = connections[transactions.alias_for("notifications")]
    seen = []

    def watch(execute, sql, params, many, context):
        seen.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        deliver_batch(deliveries=[(name, each) for each in told])
    from notifications.models import Outbox as Told

    assert list(Told.objects.order_by("id").values_list("aggregate_version", flat=True)) == [1, 2, 3, 4, 5, 6]
    assert len([sql for sql in seen if "notifications_outbox" in sql]) == 1
    assert len([sql for sql in seen if "notifications_inbox" in sql]) == 1


def test_same_batches_at_once_in_other_orders(bell_book, background):
    told = rung([uuid4() for _ in range(40)])
    start = Barrier(4)

    def run(turn):
        start.wait(30)
        mine = told[turn * 10 :] + told[: turn * 10]
        deliver_batch(deliveries=[(bell_book, each) for each in (mine if turn % 2 else mine[::-1])])

    for future in [background(run, turn) for turn in range(4)]:
        future.result(60)
    assert len(applied()) == 40
    assert statuses() == ["PROCESSED"] * 40


def take(told, name, *, redelivered):
    """Run the task as a worker does that is given this message."""
    task: Any = deliver_events
    task.push_request(delivery_info={"redelivered": redelivered}, is_eager=True)
    try:
        task.run(deliveries=[[name, each] for each in told])
    finally:
        task.pop_request()


def test_message_that_a_worker_held_before_is_not_applied_as_a_batch(bell_book):
    told = rung([uuid4() for _ in range(3)])

    take(told, bell_book, redelivered=True)

    assert (applied(), statuses()) == ([], ["RETRYING"] * 3)
    assert retry_due("notifications") == 3
    assert len(applied()) == 3
    take(told, bell_book, redelivered=False)
    assert len(applied()) == 3


def test_batch_that_runs_out_of_time_parts_ways_and_none_counts_as_failed():
    def handler(event):
        raise SoftTimeLimitExceeded

    name = hear(handler, name="slow")
    told = rung([uuid4() for _ in range(3)])

    deliver_batch(deliveries=[(name, each) for each in told])

    assert list(Inbox.objects.values_list("status", "attempts")) == [("RETRYING", 0)] * 3


def test_batch_taken_apart_gives_what_it_has_no_time_for_a_turn_of_its_own(monkeypatch):
    monkeypatch.setattr(batches, "APART_SECONDS", 0.0)
    runs = []

    def handler(event):
        runs.append(event)
        raise ValueError("spoiled")

    name = hear(handler, name="fragile")
    told = rung([uuid4() for _ in range(3)])

    deliver_batch(deliveries=[(name, each) for each in told])

    assert len(runs) == 1, "as a batch, and none by itself"
    assert list(Inbox.objects.values_list("status", "attempts")) == [("RETRYING", 0)] * 3


def test_delivery_that_no_row_can_hold_is_buried_and_its_neighbors_are_tried(bell_book):
    told = rung([uuid4() for _ in range(2)])
    told[0] = told[0] | {"data": told[0]["data"] | {"note": "\0"}}

    set_aside(deliveries=[(bell_book, each) for each in told], reason="x")

    assert "RETRYING" in statuses()


def test_handler_that_takes_many_is_called_once_for_a_batch_and_each_alone_when_it_fails():
    calls = []

    def one(event):
        calls.append(1)
        apply(event, "notifications.both")

    def many(events):
        calls.append(len(events))
        for event in events:
            apply(event, "notifications.both")
        if len(events) > 3:
            raise ValueError("too many")

    name = hear(one, name="both", many=many)
    told = rung([uuid4() for _ in range(7)])

    deliver_batch(deliveries=[(name, each) for each in told[:3]])
    deliver_batch(deliveries=[(name, each) for each in told[3:]])

    assert calls == [3, 4, 1, 1, 1, 1]
    assert len(applied()) == 7


def test_gathered_facts_stand_before_the_next_that_is_written_by_itself():
    from notifications.events import EmailQueued
    from notifications.models import Outbox as Told

    order_id, by_itself = uuid4(), {}
    with transactions.transaction("notifications"), outbox.gathered("notifications"):
        for version in (1, 2):
            fact = EmailQueued(order_id=order_id, kind="X")
            publishing.publish(fact, aggregate_id=order_id, aggregate_version=version)
        assert not Told.objects.exists()
        by_itself = outbox.fact(EmailQueued(order_id=order_id, kind="X"))
        outbox._insertion("notifications").run(**by_itself, aggregate_id=order_id, aggregate_version=3)
        publishing.publish(EmailQueued(order_id=order_id, kind="X"), aggregate_id=order_id, aggregate_version=4)

    assert list(Told.objects.order_by("id").values_list("aggregate_version", flat=True)) == [1, 2, 3, 4]


def test_facts_of_a_batch_that_fails_are_not_written():
    from notifications.events import EmailQueued
    from notifications.models import Outbox as Told

    def begin():
        with transactions.transaction("notifications"), outbox.gathered("notifications"):
            publishing.publish(EmailQueued(order_id=uuid4(), kind="X"), aggregate_id=uuid4(), aggregate_version=1)
            raise ValueError("spoiled")

    with pytest.raises(ValueError, match="spoiled"):
        begin()
    assert not Told.objects.exists()


def test_what_cannot_be_read_is_buried_and_the_others_of_its_batch_are_set_aside(bell_book):
    first, second = rung([uuid4(), uuid4()])
    unreadable = first | {"id": str(uuid4()), "type": "bench.never_heard_of"}

    set_aside(deliveries=[(bell_book, first), (bell_book, unreadable), (bell_book, second)], reason="a test")

    assert statuses() == ["DEAD", "RETRYING", "RETRYING"]
    retry_due("notifications")
    assert len(applied()) == 2
