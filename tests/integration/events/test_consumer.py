"""The consumer of a worker's process: what it applies together, acknowledges, gives back and sets aside."""

import os
from threading import Event
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from django.db import OperationalError

from notifications.models import Inbox
from orders.models import Outbox
from shop.events import batches, consumer
from shop.events.consumer import Consumer
from shop.events.inbox import retry_due
from shop.events.messages import DELIVER_BATCH_TASK, DELIVER_TASK
from shop.work import handover
from tests.integration.events.bench import applied, apply, hear, ring

DEADLINE = 60


class Channel:
    """Note what is settled, in order."""

    def __init__(self):
        self.settled = []

    def basic_ack(self, tag):
        self.settled.append((tag, "ack"))

    def basic_reject(self, tag, *, requeue):
        assert not requeue
        self.settled.append((tag, "reject"))


def message(tag, *deliveries, task=None, redelivered=False, **changes):
    """Return a message as py-amqp gives it: of one delivery, or of many."""
    if len(deliveries) == 1:
        found, keywords = DELIVER_TASK, {"subscriber": deliveries[0][0], "attributes": deliveries[0][1]}
    else:
        found, keywords = DELIVER_BATCH_TASK, {"deliveries": deliveries}
    made = {
        "delivery_tag": tag,
        "body": msgspec.json.encode([[], keywords, {}]),
        "properties": {"content_type": "application/json", "application_headers": {"task": task or found}},
        "delivery_info": {"redelivered": redelivered},
    }
    return SimpleNamespace(**made | changes)


def told(count):
    """Return so many facts as they travel."""
    for number in range(1, count + 1):
        ring(uuid4(), count=number)
    return [row.envelope().to_json() for row in Outbox.objects.order_by("id")]


def work(*messages):
    """Have a consumer work what it has taken; return what became of the messages."""
    channel, made = Channel(), Consumer(["a queue"])
    made._taken.extend(messages)
    made._work(channel)
    assert made._taken == []
    return channel.settled


def statuses():
    return sorted(Inbox.objects.values_list("status", flat=True))


def test_messages_that_wait_are_applied_in_one_transaction(bell_book, monkeypatch):
    seen, deliver = [], batches.deliver_batch
    monkeypatch.setattr(
        batches, "deliver_batch", lambda deliveries: (seen.append(deliveries), deliver(deliveries=deliveries))
    )
    facts = told(5)

    settled = work(
        message(1, (bell_book, facts[0])),
        message(2, (bell_book, facts[1]), (bell_book, facts[2]), (bell_book, facts[3])),
        message(3, (bell_book, facts[4])),
    )

    assert settled == [(1, "ack"), (2, "ack"), (3, "ack")]
    assert len(applied()) == 5
    assert [len(each) for each in seen] == [5]


def test_one_transaction_has_so_many_deliveries(bell_book, monkeypatch):
    seen, deliver = [], batches.deliver_batch
    monkeypatch.setattr(
        batches, "deliver_batch", lambda deliveries: (seen.append(deliveries), deliver(deliveries=deliveries))
    )
    monkeypatch.setattr(consumer, "TOGETHER", 4)
    facts = told(9)

    work(*(message(tag, *((bell_book, each) for each in facts[tag * 3 : tag * 3 + 3])) for tag in range(3)))

    assert [len(each) for each in seen] == [3, 3, 3]
    assert len(applied()) == 9


def test_delivery_that_fails_alone_is_retried():
    def spoil(event):
        apply(event, "notifications.fragile")
        if event.count == 2:
            raise ValueError("spoiled")

    name = hear(spoil, name="fragile")

    settled = work(*(message(tag, (name, each)) for tag, each in enumerate(told(3))))

    assert settled == [(0, "ack"), (1, "ack"), (2, "ack")], "its outcome is a row"
    assert statuses() == ["PROCESSED", "PROCESSED", "RETRYING"]
    assert sorted(count for _bell, count in applied()) == [1, 3]


BAD: dict[str, dict[str, Any]] = {
    "malformed JSON": {"body": b'[[], {"subscriber": '},
    "not even UTF-8": {"body": b"\xff\xfe\x00"},
    "a number": {"body": "7"},
    "too short": {"body": b"[1, 2]"},
    "other arguments": {"body": b'[[], {"unexpected": 1}, {}]'},
    "packed": {"properties": {"content_type": "application/json", "application_headers": {"compression": "gzip"}}},
    "another content type": {"properties": {"content_type": "text/plain"}},
    "no envelope": {"body": b'[[], {"subscriber": "notifications.write_down", "attributes": [1]}, {}]'},
    "no such context": {"body": b'[[], {"subscriber": "kitchen.cook", "attributes": {"type": "x"}}, {}]'},
    "NUL": {"body": b'[[], {"subscriber": "notifications.write_down", "attributes": ["\\u0000"]}, {}]'},
}


@pytest.mark.parametrize("how", BAD)
def test_message_that_no_row_can_be_made_of_is_rejected_alone(how, bell_book):
    facts = told(2)
    good = [message(tag, (bell_book, each)) for tag, each in enumerate(facts)]

    settled = work(good[0], message(7, (bell_book, facts[0]), **BAD[how]), good[1])

    assert sorted(settled) == [(0, "ack"), (1, "ack"), (7, "reject")]
    assert len(applied()) == 2


def test_message_of_another_task_is_rejected(bell_book):
    assert work(message(1, (bell_book, told(1)[0]), task="shop.never_heard_of")) == [(1, "reject")]


def test_message_that_comes_again_is_set_aside_and_its_deliveries_are_tried_alone(bell_book):
    facts = told(4)

    settled = work(
        message(1, (bell_book, facts[0]), redelivered=True),
        message(2, (bell_book, facts[1]), (bell_book, facts[2]), redelivered=True),
        message(3, (bell_book, facts[3])),
    )

    assert settled == [(1, "ack"), (2, "ack"), (3, "ack")]
    assert statuses() == ["PROCESSED", "RETRYING", "RETRYING", "RETRYING"]
    assert set(Inbox.objects.filter(status="RETRYING").values_list("attempts", flat=True)) == {0}
    assert retry_due("notifications") == 3
    assert len(applied()) == 4


def test_everything_is_given_back_at_once_where_the_database_is_away(bell_book, monkeypatch):
    tried = []

    def fail(deliveries):
        tried.append(deliveries)
        raise OperationalError("away")

    monkeypatch.setattr(batches, "deliver_batch", fail)

    settled = work(*(message(tag, (bell_book, each)) for tag, each in enumerate(told(3))))

    assert settled == [(0, "reject"), (1, "reject"), (2, "reject")]
    assert len(tried) == 1


def test_process_ends_where_a_handler_does_not(monkeypatch, settings):
    settings.CELERY_TASK_TIME_LIMIT = 0
    ended, codes = Event(), []
    monkeypatch.setattr(consumer, "WATCH_SECONDS", 0.01)
    made = Consumer(["a queue"])
    monkeypatch.setattr(os, "_exit", lambda code: (codes.append(code), made._stopped.set(), ended.set()))
    made._began = 0.0

    made._watch()

    assert ended.is_set()
    assert codes == [1]


def test_where_nothing_was_taken_nothing_is_asked():
    assert work() == []


def test_watch_goes_on_where_it_cannot_give_back_what_waits(monkeypatch):
    made = Consumer(["a queue"])
    asked: list[int] = []

    def give_back():
        asked.append(len(asked))
        if len(asked) == 2:
            made._stopped.set()
        raise OperationalError("the database is away")

    monkeypatch.setattr(consumer, "WATCH_SECONDS", 0)
    monkeypatch.setattr(handover, "give_back", give_back)

    made._watch()

    assert asked == [0, 1]
