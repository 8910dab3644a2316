"""Celery workers over RabbitMQ: what happens to a delivery when its worker, its database or its message is bad."""

import json
import os
import signal
from pathlib import Path

import amqp
import pytest
from django.db import connections

from notifications.models import Inbox
from orders.models import Outbox
from shop import topology, transactions
from shop.events import consumer, dead_letters, inbox, relay
from shop.events.broker import connect
from tests.driver.rabbitmq import channel_of
from tests.driver.waiting import until
from tests.integration.events.bench import applied, ring
from tests.process.bell_tower import DEADLY, GATE, GATED, WRITE_DOWN

NAME = "worker@alike"
NAMED_ALIKE = ("-m", "celery", "-A", "config", "worker", "--concurrency=1", f"--hostname={NAME}", "--loglevel=INFO",
               "--without-heartbeat", "--without-gossip", "--without-mingle")  # fmt: skip


def sql(statement, *parameters):
    with connections[transactions.alias_for("notifications")].cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def gate():
    """Keep the gate shut until the test opens it: a handler waits there, in the middle of its transaction."""
    sql("SELECT pg_advisory_lock(%s)", GATE)
    yield lambda: sql("SELECT pg_advisory_unlock(%s)", GATE)
    sql("SELECT pg_advisory_unlock_all()")


def waits_at_the_gate():
    return sql("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND NOT granted", GATE)


def children_of(process):
    main = process._child.pid
    return [int(pid) for pid in Path(f"/proc/{main}/task/{main}/children").read_text().split()]


def has_queues_for_delays():
    with channel_of(connect()) as channel:
        try:
            channel.exchange_declare("celery_delayed_27", "topic", passive=True)
        except amqp.NotFound:
            return False
        return True


def retried_and_applied():
    """Do what the sweep of failed deliveries does, and return how many are applied."""
    inbox.retry_due("notifications")
    return len(applied())


def test_worker_takes_what_it_can_work_on_and_when_it_is_killed_another_applies_each_once(
    broker, worker, gate, settings
):
    settings.EVENTS_DELIVERIES_PER_MESSAGE = 1
    doomed = worker()
    bells = [ring(count=GATED) for _ in range(2 * consumer.PREFETCH + 5)]
    relay.drain("orders")
    until(lambda: len(waits_at_the_gate()) == 2, "both processes are in the middle of a handler", process=doomed)
    until(lambda: broker.depth("notifications.events")[0] == 5, "each process holds so many deliveries", process=doomed)
    assert broker.node is None or not has_queues_for_delays()

    doomed.kill()
    until(lambda: broker.depth("notifications.events")[1] == 0, "the broker notices")
    gate()
    heir = worker()

    until(lambda: retried_and_applied() >= len(bells), "another worker takes over", process=heir)
    until(lambda: broker.depth("notifications.events")[0] == 0, "nothing waits", process=heir)
    assert sorted(applied()) == sorted((bell, GATED) for bell in bells)
    assert set(Inbox.objects.values_list("status", flat=True)) == {"PROCESSED"}


def test_delivery_whose_process_is_killed_inside_a_worker_is_applied_once_by_the_next(broker, worker, gate):
    process = worker()
    bell = ring(count=GATED)
    relay.drain("orders")
    until(waits_at_the_gate, "the handler is in the middle of its work", process=process)

    for child in children_of(process):
        os.kill(child, signal.SIGKILL)
    gate()

    until(retried_and_applied, "a new process takes over", process=process)
    assert applied() == [(bell, GATED)]
    assert process.is_running()


def test_delivery_that_kills_its_process_ends_as_a_row_and_not_in_a_circle(broker, worker):
    process = worker()
    ring(count=DEADLY)
    relay.drain("orders")

    entry = until(Inbox.objects.first, "it comes again, and is set aside", process=process)

    assert (entry.subscriber, entry.status, entry.attempts) == (WRITE_DOWN, "RETRYING", 0)
    assert "a worker died with its message" in entry.error
    until(lambda: broker.depth("notifications.events")[0] == 0, "nothing waits", process=process)
    good = ring()
    relay.drain("orders")
    until(applied, "the worker still works", process=process)
    assert applied() == [(good, 1)]


def test_worker_bears_a_delivery_that_waits_for_it_and_kills_its_process(broker, worker):
    ring(count=DEADLY)
    relay.drain("orders")

    process = worker()

    until(Inbox.objects.first, "it comes again, and is set aside", process=process)
    good = ring()
    relay.drain("orders")
    until(applied, "the worker still works", process=process)
    assert applied() == [(good, 1)]


def test_batch_with_a_delivery_that_kills_its_process_is_applied_but_for_that_one(broker, worker, settings):
    process = worker()
    good = [ring() for _ in range(3)]
    deadly = ring(count=DEADLY)
    relay.drain("orders")
    rows = Inbox.objects.filter(status="RETRYING")

    until(lambda: rows.count() == 4, "the batch comes again and parts ways", process=process)
    rows.filter(event_id=Outbox.objects.get(aggregate_id=deadly).event_id).delete()
    inbox.retry_due("notifications")

    assert sorted(bell for bell, _count in applied()) == sorted(good)
    assert process.is_running()


def test_backlog_of_many_deliveries_comes_in_few_messages(broker, worker):
    bells = [ring() for _ in range(120)]
    relay.drain("orders")
    assert broker.depth("notifications.events")[0] == 3

    process = worker()

    until(lambda: len(applied()) == 120, "all are applied", process=process)
    assert sorted(bell for bell, _count in applied()) == sorted(bells)
    assert set(Inbox.objects.values_list("status", flat=True)) == {"PROCESSED"}


def test_worker_of_the_release_before_gives_a_message_of_many_back_and_nothing_is_lost(broker, worker):
    process = worker(BENCH_RELEASE="0.1.0")
    bells = [ring() for _ in range(3)]
    relay.drain("orders")
    until(lambda: broker.depth("notifications.dead")[0] == 1, "it does not know the task", process=process)

    assert dead_letters.collect() == 1

    assert list(Inbox.objects.values_list("status", flat=True)) == ["RETRYING"] * 3
    assert inbox.retry_due("notifications") == 3
    assert sorted(bell for bell, _count in applied()) == sorted(bells)


def send_raw(body, *, task="shop.deliver_event", content_type="application/json", **headers):
    with connect() as connection:
        connection.Producer().publish(
            body,
            exchange=topology.named("events"),
            routing_key="notifications.events",
            headers={"id": "a-message", "lang": "py", "argsrepr": "", "kwargsrepr": ""}
            | ({"task": task} if task else {})
            | headers,
            content_type=content_type,
            content_encoding="utf-8",
            delivery_mode=2,
        )


def call_with(**arguments):
    return json.dumps([[], arguments, {}])


BAD_MESSAGES = {
    "malformed JSON": lambda: send_raw('[[], {"subscriber": '),
    "unknown task": lambda: send_raw(call_with(), task="shop.never_heard_of"),
    "wrong content type": lambda: send_raw(b"\x80\x04.", content_type="application/x-python-serialize"),
    "no task at all": lambda: send_raw(call_with(), task=None),
    "a number": lambda: send_raw("7"),
    "too short": lambda: send_raw("[1, 2]"),
    "other arguments": lambda: send_raw(call_with(unexpected=1)),
    "no envelope": lambda: send_raw(call_with(subscriber=WRITE_DOWN, attributes=[1])),
    "no such context": lambda: send_raw(call_with(subscriber="kitchen.cook", attributes={"type": "x"})),
    "a context that hears nothing": lambda: send_raw(call_with(subscriber="payments.pay", attributes={"type": "x"})),
    "body that cannot be unpacked": lambda: send_raw("no zip", compression="application/x-gzip"),
    "NUL": lambda: send_raw(call_with(subscriber=WRITE_DOWN, attributes=["\0"])),
    "not even UTF-8": lambda: send_raw(b"\xff\xfe\x00"),
}


def test_message_that_no_worker_can_handle_becomes_a_dead_letter_and_blocks_nobody(broker, worker):
    process = worker()
    for send in BAD_MESSAGES.values():
        send()
    other_release = Outbox.objects.get(aggregate_id=ring()).envelope().to_json() | {"schemaversion": 99}
    Outbox.objects.all().delete()
    send_raw(call_with(subscriber=WRITE_DOWN, attributes=other_release))
    bell = ring()
    relay.drain("orders")

    until(applied, "the good one among the bad is applied", process=process)
    until(
        lambda: broker.depth("notifications.dead")[0] == len(BAD_MESSAGES),
        f"all of {list(BAD_MESSAGES)} are in the dead queue",
        process=process,
    )
    assert process.is_running()
    assert dead_letters.collect() == len(BAD_MESSAGES)

    at_once, *letters = dead_letters.dead_letters("notifications")
    assert (at_once.subscriber, at_once.envelope) == (WRITE_DOWN, other_release), "the worker itself could bury it"
    assert len(letters) == len(BAD_MESSAGES)
    assert any("shop.never_heard_of" in str(letter.envelope) for letter in letters)
    assert all("notifications.events" in str(letter.envelope["x-death"]) for letter in letters)
    assert broker.depth("notifications.dead") == (0, 0)
    assert applied() == [(bell, 1)]


def test_delivery_that_could_not_be_recorded_is_collected_and_applied(broker, worker):
    process = worker()
    bell = ring()
    sql("ALTER TABLE notifications_inbox RENAME TO away")
    try:
        relay.drain("orders")
        until(lambda: broker.depth("notifications.dead")[0] == 1, "the worker gives it back", process=process)
        with pytest.raises(ExceptionGroup):
            dead_letters.collect()
    finally:
        sql("ALTER TABLE away RENAME TO notifications_inbox")
    # The broker puts it back in its own time.
    until(lambda: broker.depth("notifications.dead")[0] == 1, "what cannot be recorded stays in the broker")

    assert dead_letters.collect() == 1

    assert Inbox.objects.get().status == "RETRYING"
    inbox.retry_due("notifications")
    assert applied() == [(bell, 1)]


def test_workers_of_two_shops_on_one_broker_may_have_the_same_name(broker, start, settings):
    shops = [settings.EVENTS_NAMESPACE, f"{settings.EVENTS_NAMESPACE}other."]
    try:
        for shop in shops:
            settings.EVENTS_NAMESPACE = shop
            with channel_of(connect()) as channel:
                topology.declare(channel)
            process = start("worker", *NAMED_ALIKE)
            until(lambda: broker.depth("notifications.events")[1] == 1, "it consumes", process=process)

        for shop in shops:
            asked = start(
                "ping", "-m", "celery", "-A", "config", "inspect", "ping", "--destination", NAME, "--timeout=60",
                EVENTS_NAMESPACE=shop,
            )  # fmt: skip
            assert asked._child.wait(timeout=120) == 0, asked.tail()
            assert asked.tail().count("pong") == 1
    finally:
        settings.EVENTS_NAMESPACE = shops[1]
        with channel_of(connect()) as channel:
            topology.delete(channel)
        settings.EVENTS_NAMESPACE = shops[0]
