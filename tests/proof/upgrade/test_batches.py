"""Messages of many deliveries between releases: none is sent while 0.1.0 runs, and what 0.1.0 buried is read again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from notifications.models import Email, Inbox
from shop.events import dead_letters, inbox
from shop.events.event import Envelope
from shop.events.messages import messages_of
from tests.proof.upgrade.releases import Json, recorded_releases

V0_1_0 = next(release for release in recorded_releases() if release.version == "0.1.0")
MAIL = "notifications.tell_customer_order_confirmed"
UNREADABLE = "notifications.unreadable"


@pytest.fixture
def told(database: None) -> list[Json]:
    """Return events as 0.1.0 tells them, which three orders might have."""
    golden = V0_1_0.messages["order.confirmed.v1"]
    return [golden | {"id": golden["id"][:-1] + str(number)} for number in range(3)]


def buried_by_0_1_0(told: list[Json]) -> Inbox:
    """Leave the dead letter that its `collect_dead_letters` makes of a message of many: the body as it came."""
    messages = messages_of([Envelope.from_json(each) for each in told])
    raw = next(message.body.decode() for message in messages if message.routing_key == "notifications.events")
    inbox.bury(
        context="notifications",
        subscriber=UNREADABLE,
        attributes={"raw": raw, "task": "shop.deliver_events", "x-death": []},
        error="a worker rejected this message: KeyError('subscriber')",
    )
    return Inbox.objects.get(subscriber=UNREADABLE)


def test_no_worker_of_0_1_0_meets_a_message_that_it_does_not_know(told: list[Json], settings: Any):
    settings.EVENTS_DELIVERIES_PER_MESSAGE = 1
    deliveries = [message for message in messages_of([Envelope.from_json(each) for each in told]) if message.mandatory]

    assert len(deliveries) == 2 * len(told)
    for message in deliveries:
        arguments, keywords, _options = json.loads(message.body)
        assert b"shop.deliver_event" in message.properties
        assert b"shop.deliver_events" not in message.properties
        assert (arguments, set(keywords)) == ([], {"subscriber", "attributes"})


def test_what_0_1_0_buried_is_applied_once_and_nobody_has_to_decide(told: list[Json]):
    letter = buried_by_0_1_0(told)

    assert dead_letters.read_again() == 1
    assert dead_letters.read_again() == 0
    assert inbox.retry_due("notifications") == 3

    applied = Inbox.objects.filter(subscriber=MAIL, status="PROCESSED")
    assert {str(entry.event_id) for entry in applied} == {each["id"] for each in told}
    assert Email.objects.count() == 1, "they are of one order"
    letter.refresh_from_db()
    assert (letter.status, letter.decided_by) == ("DISCARDED", "read by a later release")


def test_death_between_the_deliveries_and_their_letter_gives_nothing_twice(told: list[Json], monkeypatch: Any):
    letter = buried_by_0_1_0(told)
    dead_letters.read_again()
    inbox.retry_due("notifications")
    Inbox.objects.filter(pk=letter.pk).update(status="DEAD")

    assert dead_letters.read_again() == 1

    assert inbox.retry_due("notifications") == 0
    assert Inbox.objects.filter(subscriber=MAIL, status="PROCESSED").count() == 3


def test_letter_that_this_release_cannot_read_either_stays_dead(database: None):
    raw = json.dumps([[], {"deliveries": [["notifications.unheard_of", {}]]}, {}])
    inbox.bury(
        context="notifications",
        subscriber=UNREADABLE,
        attributes={"raw": raw, "task": "shop.deliver_events", "x-death": []},
        error="a worker rejected this message",
    )

    assert dead_letters.read_again() == 0
    assert Inbox.objects.get().status == "DEAD"
