"""Envelopes as messages: one Celery message for many deliveries of a context, and a CloudEvents copy for outsiders.

The Celery messages are written by hand in Celery's protocol 2; a test holds them against Celery's own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
from celery.utils.nodenames import anon_nodename
from django.conf import settings

from shop import topology
from shop.events import cloudevents, frames
from shop.events.event import Envelope
from shop.events.subscribers import hearers_of

DELIVER_TASK = "shop.deliver_event"
DELIVER_BATCH_TASK = "shop.deliver_events"
# The longest message of several deliveries, in bytes; a longer delivery travels alone.
LONGEST_BODY = 256 * 1024
PERSISTENT = 2
NO_CALLBACKS = b'{"callbacks":null,"errbacks":null,"chain":null,"chord":null}]'


@dataclass(frozen=True, slots=True)
class Message:
    """What is published, and the indexes of the envelopes whose fate hangs on it."""

    indexes: Sequence[int]
    exchange: str
    routing_key: str
    mandatory: bool
    message_id: str
    properties: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class _Delivery:
    index: int
    subscriber: str
    envelope: Envelope
    text: bytes


def messages_of(envelopes: Sequence[Envelope]) -> Iterator[Message]:
    """Yield the messages that carry these envelopes to every queue, in order for each queue."""
    for context, deliveries in _by_context(envelopes).items():
        for chunk in _chunks(deliveries):
            yield _one(context, chunk[0]) if len(chunk) == 1 else _many(context, chunk)
    for index, envelope in enumerate(envelopes):
        yield _copy_for_outsiders(index, envelope)


def _by_context(envelopes: Sequence[Envelope]) -> dict[str, list[_Delivery]]:
    found: defaultdict[str, list[_Delivery]] = defaultdict(list)
    for index, envelope in enumerate(envelopes):
        if not (hearers := hearers_of(envelope.type, envelope.data)):
            continue
        text = msgspec.json.encode(envelope.to_json())
        for subscriber in hearers:
            found[subscriber.context].append(_Delivery(index, subscriber.name, envelope, text))
    return found


def _chunks(deliveries: Sequence[_Delivery]) -> Iterator[list[_Delivery]]:
    """Cut into what one message carries: EVENTS_DELIVERIES_PER_MESSAGE at most, and LONGEST_BODY."""
    chunk: list[_Delivery] = []
    length = 0
    for delivery in deliveries:
        full = len(chunk) >= settings.EVENTS_DELIVERIES_PER_MESSAGE or length + len(delivery.text) > LONGEST_BODY
        if chunk and full:
            yield chunk
            chunk, length = [], 0
        chunk.append(delivery)
        length += len(delivery.text)
    if chunk:
        yield chunk


def _one(context: str, delivery: _Delivery) -> Message:
    """Return the message of a single delivery, which every release understands."""
    task_id = f"{delivery.envelope.event_id}:{delivery.subscriber}"
    body = b'[[],{"subscriber":%b,"attributes":%b},' % (_name(delivery.subscriber), delivery.text)
    trace = {"traceparent": delivery.envelope.traceparent} if delivery.envelope.traceparent else {}
    return _task(context, DELIVER_TASK, task_id, body=body + NO_CALLBACKS, indexes=(delivery.index,), trace=trace)


def _many(context: str, chunk: Sequence[_Delivery]) -> Message:
    """Return the message of several deliveries; it has no trace of its own, each delivery continues its event's."""
    task_id = f"{chunk[0].envelope.event_id}:{chunk[0].subscriber}+{len(chunk) - 1}"
    deliveries = b",".join(b"[%b,%b]" % (_name(each.subscriber), each.text) for each in chunk)
    body = b'[[],{"deliveries":[%b]},' % deliveries + NO_CALLBACKS
    return _task(context, DELIVER_BATCH_TASK, task_id, body=body, indexes=[each.index for each in chunk], trace={})


def _task(
    context: str, task: str, task_id: str, *, body: bytes, indexes: Sequence[int], trace: dict[str, str]
) -> Message:
    return Message(
        indexes=indexes,
        exchange=topology.named("events"),
        routing_key=f"{context}.events",
        mandatory=True,
        message_id=task_id,
        properties=frames.properties_with_headers(
            b"".join(
                (
                    _entries(task),
                    *(frames.text_entry(*each) for each in ({"id": task_id, "root_id": task_id} | trace).items()),
                )
            ),
            message_id=task_id,
            content_type="application/json",
            content_encoding="utf-8",
            delivery_mode=PERSISTENT,
        ),
        body=body,
    )


@cache
def _entries(task: str) -> bytes:
    return frames.entries_of(_headers(task))


@cache
def _headers(task: str) -> dict[str, Any]:
    """Return the headers of Celery's protocol 2; no worker needs a picture of the arguments, which costs it much."""
    unset = ("shadow", "eta", "expires", "group", "group_index", "parent_id", "stamped_headers")
    return {
        "lang": "py",
        "task": task,
        "retries": 0,
        "timelimit": [None, None],
        "argsrepr": "",
        "kwargsrepr": "",
        "origin": anon_nodename(),
        "ignore_result": False,
        "replaced_task_nesting": 0,
        "stamps": {},
    } | dict.fromkeys(unset)


def _copy_for_outsiders(index: int, envelope: Envelope) -> Message:
    """Return the CloudEvents message; it need not reach a queue, outsiders bind their own. Its routing key has no prefix."""
    event_id = str(envelope.event_id)
    return Message(
        indexes=(index,),
        exchange=topology.named("domain.events"),
        routing_key=envelope.type,
        mandatory=False,
        message_id=event_id,
        properties=frames.properties_before_id(
            content_type=cloudevents.CONTENT_TYPE, content_encoding="utf-8", delivery_mode=PERSISTENT
        )
        + frames.short(event_id),
        body=cloudevents.encode(envelope),
    )


@cache
def _name(subscriber: str) -> bytes:
    return msgspec.json.encode(subscriber)
