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
from shop import transactions
from shop.events import dead_letters, inbox, relay, topology
from shop.events.broker import connect
from tests.integration.events.bench import applied, ring
from tests.process.bell_tower import DEADLY, GATE, GATED, WRITE_DOWN
from tests.process.conftest import until


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
    with connect() as connection, connection.channel() as channel:
        try:
            channel.exchange_declare("celery_delayed_27", "topic", passive=True)
        except amqp.NotFound:
            return False
        return True


def test_worker_takes_what_it_can_work_on_and_when_it_is_killed_another_applies_each_once(broker, worker, gate):
    doomed = worker()
    bells = [ring(count=GATED) for _ in range(10)]
    relay.drain("orders")
    until(lambda: len(waits_at_the_gate()) == 2, "both processes are in the middle of a handler", process=doomed)
    assert broker.depth("notifications.events")[0] == 8, "a worker of two processes holds two deliveries"
    assert broker.node is None or not has_queues_for_delays()

    doomed.kill()
    gate()
    heir = worker()

    until(lambda: len(applied()) >= 10, "another worker takes over", process=heir)
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

    until(applied, "a new process takes over", process=process)
    assert applied() == [(bell, GATED)]
    assert process.is_running()


def test_delivery_that_kills_every_process_ends_as_a_row_and_not_in_a_circle(broker, worker, monkeypatch):
    with connect() as connection, connection.channel() as channel:
        topology.delete(channel)
        # Celery takes 5 s to notice each death.
        monkeypatch.setattr(topology, "DELIVERY_LIMIT", 2)
        topology.declare(channel)
    process = worker(BENCH_DELIVERY_LIMIT="2")
    ring(count=DEADLY)
    relay.drain("orders")

    until(lambda: broker.depth("notifications.dead") == (1, 0), "the limit of deliveries is reached", process=process)
    assert dead_letters.collect() == 1

    entry = Inbox.objects.get()
    assert (entry.subscriber, entry.status) == (WRITE_DOWN, "RETRYING")
    assert "delivery_limit" in entry.error
    good = ring()
    relay.drain("orders")
    until(applied, "the worker still works", process=process)
    assert applied() == [(good, 1)]


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
    assert broker.depth("notifications.dead")[0] == 1, "what cannot be recorded stays in the broker"

    assert dead_letters.collect() == 1

    assert Inbox.objects.get().status == "RETRYING"
    inbox.retry_due("notifications")
    assert applied() == [(bell, 1)]
