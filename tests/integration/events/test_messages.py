"""What the relay puts on the wire by hand is what Celery and py-amqp would put there."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import amqp
import pytest
from amqp import serialization
from amqp.method_framing import frame_writer
from celery import current_app

from orders.models import Outbox
from shop.events import claims, cloudevents, frames
from shop.events.broker import CeleryTransport, _Batch
from shop.events.messages import LONGEST_BODY, messages_of
from tests.integration.events.bench import Rung, Struck, hear, ring


@pytest.fixture
def strike():
    return hear(lambda event: None, name="strike", context="shipping", event=Struck)


def told(*rung):
    return [row.envelope() for row in Outbox.objects.filter(aggregate_id__in=rung).order_by("id")]


def read(message):
    """Return headers, properties and body of a message as a worker reads them."""
    arrived: Any = amqp.Message()
    arrived._load_properties(frames.BASIC, message.properties, 0)
    return arrived.properties.pop("application_headers", {}), arrived.properties, json.loads(message.body)


def by_celery(task_id, task, kwargs):
    message = current_app.amqp.as_task_v2(task_id, task, kwargs=kwargs, argsrepr="", kwargsrepr="")
    return message.headers, message.properties, json.loads(json.dumps(message.body))


def test_message_of_one_delivery_is_the_one_that_celery_makes(bell_book):
    (envelope,) = told(ring())
    task_id = f"{envelope.event_id}:{bell_book}"

    message = next(iter(messages_of([envelope])))

    headers, properties, body = read(message)
    expected, in_properties, expected_body = by_celery(
        task_id, "shop.deliver_event", {"subscriber": bell_book, "attributes": envelope.to_json()}
    )
    assert (headers, body) == (expected, expected_body)
    assert in_properties.items() <= properties.items()
    assert (properties["content_type"], properties["content_encoding"]) == ("application/json", "utf-8")
    assert (properties["delivery_mode"], properties["message_id"]) == (2, task_id)
    assert (message.routing_key, message.mandatory) == ("notifications.events", True)


def test_message_of_many_deliveries_is_the_one_that_celery_makes(bell_book):
    envelopes = told(*[ring() for _ in range(3)])

    message = next(iter(messages_of(envelopes)))

    headers, _properties, body = read(message)
    deliveries = [[bell_book, envelope.to_json()] for envelope in envelopes]
    expected, _others, expected_body = by_celery(headers["id"], "shop.deliver_events", {"deliveries": deliveries})
    assert (headers, body) == (expected, expected_body)
    assert list(message.indexes) == [0, 1, 2]


def test_each_context_has_its_messages_in_order_and_of_bounded_size(bell_book, strike, settings):
    settings.EVENTS_DELIVERIES_PER_MESSAGE = 2
    envelopes = told(*[ring(event=Struck if number % 2 else Rung) for number in range(7)])

    messages = [message for message in messages_of(envelopes) if message.mandatory]

    assert [(message.routing_key, list(message.indexes)) for message in messages] == [
        ("notifications.events", [0, 2]),
        ("notifications.events", [4, 6]),
        ("shipping.events", [1, 3]),
        ("shipping.events", [5]),
    ]


def test_long_envelopes_do_not_share_a_message(bell_book):
    envelopes = told(*[ring() for _ in range(3)])
    for envelope in envelopes:
        envelope.data["note"] = "x" * (LONGEST_BODY // 2)

    messages = [message for message in messages_of(envelopes) if message.mandatory]

    assert [list(message.indexes) for message in messages] == [[0], [1], [2]]


def test_outsiders_hear_each_event_by_itself_under_its_own_id(bell_book):
    envelopes = told(*[ring() for _ in range(2)])

    copies = [message for message in messages_of(envelopes) if not message.mandatory]

    assert [message.message_id for message in copies] == [str(envelope.event_id) for envelope in envelopes]
    for message, envelope in zip(copies, envelopes, strict=True):
        headers, properties, body = read(message)
        assert (headers, body) == ({}, cloudevents.attributes_of(envelope))
        assert message.routing_key == envelope.type
        assert properties == {
            "content_type": "application/cloudevents+json",
            "content_encoding": "utf-8",
            "delivery_mode": 2,
            "message_id": str(envelope.event_id),
        }


@pytest.mark.parametrize("length", [0, 10, 5000])
def test_frames_are_those_that_py_amqp_writes(length):
    body, written = b"x" * length, []
    connection = SimpleNamespace(frame_max=4096, bytes_sent=0)
    channel = SimpleNamespace(channel_id=7, connection=connection)
    write = frame_writer(connection, SimpleNamespace(write=lambda frame: written.append(bytes(frame))))
    properties = {"content_type": "text/plain", "delivery_mode": 2, "message_id": str(uuid4())}
    arguments = serialization.dumps("Bssbb", (0, "an.exchange", "a.key", True, False))
    write(1, 7, (60, 40), arguments, amqp.Message(body, **properties))

    ours = frames.publish(
        channel,
        exchange="an.exchange",
        routing_key="a.key",
        mandatory=True,
        properties=frames.properties_of(**properties),
        body=body,
    )

    assert parsed(ours) == parsed(b"".join(written))


def parsed(raw):
    """Return (type, channel, payload) of each frame, the pieces of a body put together."""
    found, at = [], 0
    while at < len(raw):
        kind, channel, size = (
            raw[at],
            int.from_bytes(raw[at + 1 : at + 3], "big"),
            int.from_bytes(raw[at + 3 : at + 7], "big"),
        )
        assert size + frames.OVERHEAD <= 4096
        assert raw[at + 7 + size : at + 8 + size] == frames.END
        found.append((kind, channel, raw[at + 7 : at + 7 + size]))
        at += size + frames.OVERHEAD
    head, content, *pieces = found
    return head, content, b"".join(payload for _kind, _channel, payload in pieces)


def test_workers_of_every_release_get_the_form_that_they_read_whatever_outsiders_get(bell_book, settings):
    settings.EVENTS_SOURCE, settings.EVENTS_TYPE_PREFIX = "https://shop.example.com", "com.example.shop"
    (envelope,) = told(ring())

    delivery, copy = messages_of([envelope])

    attributes = json.loads(delivery.body)[1]["attributes"]
    assert (attributes["type"], attributes["source"], attributes["sequence"]) == ("bench.rung", "/orders", "1")
    outside = json.loads(copy.body)
    assert (outside["type"], outside["source"]) == ("com.example.shop.bench.rung", "https://shop.example.com/orders")


def test_the_sequence_orders_as_a_text_and_stands_once(bell_book):
    bell = ring()
    envelopes = told(bell)[:1] * 2 + told(*[ring() for _ in range(12)])
    envelopes = [replace(envelope, position=place) for place, envelope in enumerate(envelopes, start=3)]

    sequences = [cloudevents.attributes_of(envelope)["sequence"] for envelope in envelopes]

    assert sequences == sorted(set(sequences))
    assert {len(sequence) for sequence in sequences} == {19}


def test_the_place_of_an_event_is_that_of_its_row_also_where_the_relay_claims_it(bell_book):
    ring()
    ring()

    claimed, _mine = claims.mark_and_claim("orders", [], limit=10)

    assert [row.envelope.position for row in claimed] == [row.pk for row in Outbox.objects.order_by("id")]


def test_the_brokers_word_counts_for_what_is_under_way_and_for_nothing_else(bell_book):
    first, second, third = (message for _each in range(3) for message in list(messages_of(told(ring())))[:1])
    batch = _Batch(waiting={1: first, 2: second, 3: third})

    batch.settle(7, multiple=False, error="of another batch")
    assert (list(batch.waiting), batch.errors) == ([1, 2, 3], {})
    batch.settle(2, multiple=True)
    batch.settle(1, multiple=False, error="told before")
    assert (list(batch.waiting), batch.errors) == ([3], {})
    batch.settle(3, multiple=False, error="the broker refused it")
    assert (batch.waiting, batch.errors) == ({}, dict.fromkeys(third.indexes, "the broker refused it"))


def test_a_bug_in_sending_rises_as_it_is_and_the_connection_is_used_no_more(monkeypatch):
    thrown_away = []

    def fail(_transport, _envelopes):
        raise KeyError("a bug")

    def throw_away(of):
        thrown_away.append(of)

    monkeypatch.setattr(CeleryTransport, "_send", fail)
    monkeypatch.setattr(CeleryTransport, "_throw_away", throw_away)
    transport = CeleryTransport()

    with pytest.raises(KeyError):
        transport.send([])
    assert thrown_away == [transport]
