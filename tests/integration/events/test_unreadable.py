"""What an inbox cannot read, or has nobody for, dies at once and is kept; what is older is read."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from notifications.models import Inbox
from shop.events import inbox, relay
from shop.events.inbox import DeliveryStatus
from tests.integration.events.bench import Rung, applied, entry_of, hear, ring
from tests.integration.events.test_inbox import Broken, attributes_of


def test_event_of_an_unknown_type_dies_at_once_with_its_envelope(bell_book):
    attributes = attributes_of(ring()) | {"type": "bench.never_heard_of"}

    assert inbox.deliver(subscriber=bell_book, attributes=attributes) == DeliveryStatus.DEAD

    entry = entry_of(bell_book)
    assert (entry.event_type, entry.attempts, entry.envelope) == ("bench.never_heard_of", 1, attributes)
    assert "never_heard_of" in entry.error
    assert applied() == []


@pytest.mark.parametrize(
    "damage",
    [
        {"id": "no uuid"},
        {"data": {"bell": "no uuid", "count": 1}},
        {"data": {}},
        {"data": None},
        {"schemaversion": 99},
        {"time": "yesterday"},
        {"type": ["a", "list"]},
        {"data": {"bell": "\0", "count": 1}},
        {"data": {"bell": "\ud800", "count": 1}},
        {"data": {"bell": float("nan"), "count": 1}},
        {"type": "a\0b"},
    ],
    ids=str,
)
def test_unreadable_event_dies_at_once_and_is_kept(bell_book, damage):
    attributes = attributes_of(ring()) | damage

    assert inbox.deliver(subscriber=bell_book, attributes=attributes) == DeliveryStatus.DEAD
    assert inbox.deliver(subscriber=bell_book, attributes=attributes) == DeliveryStatus.DEAD

    entry = entry_of(bell_book)
    assert entry.status == DeliveryStatus.DEAD
    assert attributes["subject"] in str(entry.envelope)
    assert applied() == []


def test_event_for_a_subscriber_that_is_gone_dies_at_once():
    attributes = attributes_of(ring())

    inbox.deliver(subscriber="notifications.retired_long_ago", attributes=attributes)

    assert entry_of("notifications.retired_long_ago").envelope == attributes


def test_delivery_in_retry_dies_when_the_release_forgets_its_event(bell_book):
    subscriber = hear(Broken(), name="broken")
    ring()
    relay.drain("orders")
    Inbox.objects.filter(subscriber=subscriber).update(envelope={"type": "bench.forgotten", "id": str(uuid4())})
    entry = entry_of(subscriber)
    Inbox.objects.filter(pk=entry.pk).update(
        envelope={"type": "bench.forgotten", "id": str(entry.event_id)}, due_at=timezone.now() - timedelta(seconds=1)
    )

    inbox.retry_due("notifications")

    entry = entry_of(subscriber)
    assert (entry.status, entry.due_at) == (DeliveryStatus.DEAD, None)


def test_event_of_an_older_version_is_read_by_upcast(bell_book, monkeypatch):
    monkeypatch.setattr(Rung, "version", 2)
    monkeypatch.setattr(Rung, "upcast", classmethod(lambda cls, payload, version: payload | {"count": 7}))
    bell = ring()
    attributes = attributes_of(bell) | {"schemaversion": 1, "data": {"bell": str(bell)}}

    inbox.deliver(subscriber=bell_book, attributes=attributes)

    assert applied() == [(bell, 7)]
