"""Messages that an outsider made: whatever they hold, they end as dead letters and stop neither worker nor collection."""

import json
from socket import SHUT_RDWR
from struct import pack
from typing import Any

import pytest
from amqp import AMQPError
from celery import current_app
from django.db.utils import OperationalError, ProgrammingError
from kombu import Message

from notifications.models import Inbox
from shop import topology
from shop.events import dead_letters, frames, inbox, relay
from shop.events.broker import connect
from shop.events.trusted import distrust
from shop.work.sweeps import sweeps
from tests.driver.waiting import until
from tests.integration.events.bench import applied, ring
from tests.process.bell_tower import WRITE_DOWN

EVENTS, DEAD, TASKS = (
    ("events", "notifications.events"),
    ("dead.letters", "notifications.dead"),
    ("tasks", "shop.tasks"),
)


def send(body, *, dead=False, to=EVENTS, **headers):
    exchange, key = DEAD if dead else to
    task = {"id": "a-message", "task": "shop.deliver_events", "lang": "py", "argsrepr": "", "kwargsrepr": ""}
    with connect() as connection:
        connection.Producer().publish(
            body,
            exchange=topology.named(exchange),
            routing_key=key,
            headers=task | headers,
            content_type="application/json",
            content_encoding="utf-8",
            delivery_mode=2,
        )


def call_with(**arguments):
    return json.dumps([[], arguments, {}])


def nested_objects(depth):
    attributes = '{"a":' * depth + "1" + "}" * depth
    return f'[[],{{"subscriber":"{WRITE_DOWN}","attributes":{attributes}}},{{}}]'


BODIES = {
    "lists 20,000 deep": '[[],{"deliveries":' + "[" * 20_000 + "]" * 20_000 + "},{}]",
    "lists that never end": '[[],{"deliveries":' + "[" * 20_000,
    "objects 3,000 deep": nested_objects(3000),
    **{f"objects {depth} deep": nested_objects(depth) for depth in range(930, 1000, 10)},
    "a number of 5,000 digits": '[[],{"deliveries":%s},{}]' % ("9" * 5000),
    "a number without end": call_with(subscriber=WRITE_DOWN, attributes={"schemaversion": float("inf")}),
    "a name that is none": call_with(deliveries=[[[1], {}]]),
    "no list": "7",
    "not UTF-8": b"\xff\xfe\x00",
}
HEADERS = {
    "x-death that is a text": {"x-death": "yesterday"},
    "x-death of texts": {"x-death": ["yesterday"]},
    "x-death of a number": {"x-death": 7},
    "task that is a table": {"task": {"a": "table"}},
    "task with a NUL": {"task": "shop.\0"},
}


@pytest.mark.parametrize(
    ("body", "headers"),
    [(body, {}) for body in BODIES.values()] + [("7", headers) for headers in HEADERS.values()],
    ids=[*BODIES, *HEADERS],
)
def test_whatever_is_in_a_dead_queue_leaves_it_and_what_is_behind_it_is_applied(broker, body, headers):
    send(body, dead=True, **headers)
    bell = ring()
    relay.drain("orders")
    good = broker.take("notifications.events")
    send(good.body, dead=True)
    until(lambda: broker.depth("notifications.dead")[0] == 2, "both wait")

    assert dead_letters.collect() == 2

    assert broker.depth("notifications.dead")[0] == 0
    assert sorted(Inbox.objects.values_list("status", flat=True)) == ["DEAD", "RETRYING"]
    inbox.retry_due("notifications")
    assert applied() == [(bell, 1)]


def test_a_message_that_cannot_be_recorded_is_passed_over_and_stays(broker, monkeypatch):
    bury = inbox.bury

    def faulty(**letter):
        if letter["attributes"]["raw"] == "1":
            raise RuntimeError("a bug of ours")
        return bury(**letter)

    monkeypatch.setattr(dead_letters, "bury", faulty)
    send("1", dead=True)
    send("2", dead=True)
    until(lambda: broker.depth("notifications.dead")[0] == 2, "both wait")

    with pytest.raises(ExceptionGroup):
        dead_letters.collect()

    assert Inbox.objects.get().envelope["raw"] == "2"
    until(lambda: broker.depth("notifications.dead")[0] == 1, "the first is still there")


@pytest.mark.parametrize("away", [OperationalError, ProgrammingError])
def test_collection_stops_at_once_where_the_database_does_not_record(broker, monkeypatch, away):
    asked = []

    def fail(**letter):
        asked.append(letter)
        raise away

    monkeypatch.setattr(dead_letters, "bury", fail)
    for number in range(3):
        send(str(number), dead=True)
    until(lambda: broker.depth("notifications.dead")[0] == 3, "all wait")

    with pytest.raises(ExceptionGroup):
        dead_letters.collect()

    assert len(asked) == 1
    until(lambda: broker.depth("notifications.dead")[0] == 3, "all wait again")


BELIEVED: dict[str, dict[str, Any]] = {
    "limits that are texts": {"timelimit": ["a", "b"]},
    "limits before now": {"timelimit": [-1, -1]},
    "limits that end it at once": {"timelimit": [0.001, 0.001]},
    "a limit alone": {"timelimit": 7},
    "a moment that is none": {"eta": "never"},
    "a moment in 70 years": {"eta": "2096-01-01T00:00:00+00:00"},
    "an end that is none": {"expires": "never"},
    "an end long ago": {"expires": "2001-01-01T00:00:00+00:00"},
    "an end that is a number": {"expires": 7},
    "tries that are a text": {"retries": "many"},
    "many tries": {"retries": 10**9},
    "a group": {"group": {"a": "group"}},
    "an id that is a list": {"id": ["a"]},
    "an id that is a number": {"id": 7},
    "a root that is a list": {"root_id": ["a"]},
    "a task that is a list": {"task": ["a"]},
    "callbacks": {"callbacks": [{"task": "shop.prune_events"}], "errbacks": 7},
    "stamps": {"stamps": 7, "stamped_headers": 7},
    "another name": {"shadow": {"a": 1}},
    "a switch that is a table": {"ignore_result": {"a": 1}},
    "a language that is a list": {"lang": ["a"]},
    "log names that are a number": {"__django_structlog__": 7},
    "a trace that is a list": {"traceparent": ["a"], "tracestate": 7, "baggage": {"a": 1}},
    "nested": {"a": json.loads("[" * 90 + "]" * 90)},
}
OPTIONS = {
    "a task afterwards": {"callbacks": [{"task": "shop.prune_events", "args": [], "kwargs": {}, "options": {}}]},
    "a task after its failure": {"errbacks": 7},
    "a chord": {"chord": {"task": "x"}},
    "a chain": {"chain": 7},
    "an option that nobody knows": {"id": "x", "delivery_info": 7},
}


def send_every_kind(*, to, task):
    body = call_with(unexpected=1)
    for headers in BELIEVED.values():
        send(body, to=to, **({"task": task} | headers))
    for options in OPTIONS.values():
        send(json.dumps([[], {"unexpected": 1}, options]), to=to, task=task)


def test_worker_bears_what_celery_would_believe_of_a_delivery(broker, worker):
    process = worker()
    send_every_kind(to=EVENTS, task="shop.deliver_events")
    for body in BODIES.values():
        send(body)
    bell = ring()
    relay.drain("orders")

    until(applied, "the good one behind the bad is applied", process=process)
    count = len(BELIEVED) + len(OPTIONS) + len(BODIES)
    until(lambda: broker.depth("notifications.dead")[0] == count, "the bad ones are in the dead queue", process=process)
    assert process.is_running()
    assert not any(process.said(word) for word in ("Unrecoverable", "broker_unavailable"))
    assert dead_letters.collect() == count
    assert sorted(set(Inbox.objects.values_list("status", flat=True))) == ["DEAD", "PROCESSED"]
    assert applied() == [(bell, 1)]


def test_worker_bears_what_celery_would_believe_of_a_nudge(broker, worker):
    process = worker()
    send_every_kind(to=TASKS, task="shop.retry_deliveries")
    bell = ring()
    relay.drain("orders")

    until(applied, "the worker works", process=process)
    until(lambda: broker.depth("shop.tasks")[0] == 0, "nothing waits", process=process)
    bell = ring()
    relay.drain("orders")
    until(lambda: (bell, 1) in applied(), "it still works", process=process)
    assert process.is_running()


# Flags of a basic message's properties (AMQP 0-9-1, 4.2.6.1), and the value of the one that is set.
HEADERS_FLAG, REPLY_TO_FLAG = 0x2000, 0x0200
NESTED_ARRAYS = 5000


def arrays_in_arrays(depth):
    table = b""
    for _ in range(depth):
        table = b"A" + pack(">I", len(table)) + table
    return pack(">I", len(table) + 2) + b"\x01a" + table


PROPERTIES = {
    "a text that is not UTF-8": pack(">H", REPLY_TO_FLAG) + b"\x02\xff\xfe",
    "a moment in the year 500,000": pack(">HI", HEADERS_FLAG, 11) + b"\x01aT" + pack(">Q", 2**44),
    "arrays 5,000 deep": pack(">H", HEADERS_FLAG) + arrays_in_arrays(NESTED_ARRAYS),
}


def send_properties(properties, to):
    with connect() as connection:
        channel = connection.connection.channel()
        publish = {"exchange": topology.named(to[0]), "routing_key": to[1], "mandatory": False}
        channel.connection.transport.write(
            frames.publish(channel, **publish, properties=properties, body=call_with().encode())
        )
        channel.queue_declare(topology.named(to[1]), passive=True)


@pytest.mark.parametrize("properties", PROPERTIES.values(), ids=PROPERTIES)
def test_worker_and_collection_bear_properties_that_nobody_can_decode(broker, worker, properties):
    process = worker()
    send_properties(properties, EVENTS)
    send_properties(properties, DEAD)
    bell = ring()
    relay.drain("orders")

    until(applied, "the good one behind the bad is applied", process=process)
    until(lambda: broker.depth("notifications.dead")[0] == 2, "the bad ones are in the dead queue", process=process)
    assert process.is_running()
    assert dead_letters.collect() == 2
    assert applied() == [(bell, 1)]


@pytest.mark.parametrize("limits", [(None, None), (60, 50)], ids=["before the tasks are known", "after"])
@pytest.mark.parametrize("sweep", [sweep.name for sweep in sweeps()])
def test_every_nudge_that_the_shop_sends_is_believed(sweep, limits):
    hard, soft = limits  # Celery writes those of the task, where the sender knows it
    headers, _properties, body, _sent_event = current_app.amqp.as_task_v2(
        "an-id", sweep, expires=60, parent_id="another", time_limit=hard, soft_time_limit=soft
    )
    message = Message(json.dumps(body), headers=headers, content_type="application/json", content_encoding="utf-8")

    distrust(message)

    assert message.headers["task"] == sweep
    assert "timelimit" not in message.headers


def test_a_message_in_a_dead_queue_is_seen_to_wait_until_it_is_collected_and_a_broker_that_is_away_is_asked_anew(
    broker, monkeypatch
):
    monkeypatch.setattr(dead_letters, "_kept", [])
    assert not dead_letters.waiting()
    send("[1, 2]", dead=True)
    until(dead_letters.waiting, "the message waits")
    assert dead_letters.collect() == 1
    assert not dead_letters.waiting()

    dead_letters._kept[0].connection.transport.sock.shutdown(SHUT_RDWR)
    with pytest.raises((OSError, AMQPError)):
        dead_letters.waiting()
    assert dead_letters._kept == []
    assert not dead_letters.waiting()
    dead_letters._kept.pop().collect()
