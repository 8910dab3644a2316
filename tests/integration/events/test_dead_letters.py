"""Dead letters: read, replayed to the one subscriber that failed, discarded, and never lost meanwhile."""

from datetime import timedelta
from uuid import uuid4

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import DataError
from django.utils import timezone

from notifications.models import Inbox
from orders.models import Outbox
from shop import topology
from shop.errors import NotFound
from shop.events import dead_letters, inbox, relay
from shop.events.messages import DELIVER_BATCH_TASK
from shop.tasks import prune_events
from tests.integration.events.bench import applied, apply, entry_of, hear, ring


@pytest.fixture
def cracked(settings):
    """A subscriber that fails until `cracked.repaired`, on its only attempt."""
    settings.EVENTS_MAX_ATTEMPTS = 1

    class Cracked:
        repaired = False
        name = "notifications.cracked"

        def __call__(self, event):
            apply(event, self.name)
            if not self.repaired:
                raise RuntimeError("cracked")

    handler = Cracked()
    hear(handler, name="cracked")
    return handler


def test_replayed_letter_is_applied_once_and_only_at_its_own_subscriber(cracked, bell_book):
    bell = ring()
    relay.drain("orders")
    letter = entry_of(cracked.name)
    assert [found.pk for found in dead_letters.dead_letters()] == [letter.pk]

    cracked.repaired = True
    dead_letters.replay(context="notifications", entry_id=letter.pk, staff="ann")
    inbox.retry_due("notifications")
    inbox.retry_due("notifications")

    letter.refresh_from_db()
    assert applied(cracked.name) == applied(bell_book) == [(bell, 1)]
    assert (letter.status, letter.decided_by) == ("PROCESSED", "ann")
    assert list(dead_letters.dead_letters()) == []


def test_replayed_letter_that_fails_again_is_dead_again(cracked):
    ring()
    relay.drain("orders")
    letter = entry_of(cracked.name)

    dead_letters.replay(context="notifications", entry_id=letter.pk, staff="ann")
    inbox.retry_due("notifications")

    letter.refresh_from_db()
    assert (letter.status, letter.attempts) == ("DEAD", 1)
    assert applied() == []


def test_letter_is_replayed_once_however_often_it_is_asked(cracked):
    bell = ring()
    relay.drain("orders")
    letter = entry_of(cracked.name)
    cracked.repaired = True

    dead_letters.replay(context="notifications", entry_id=letter.pk, staff="ann")
    with pytest.raises(NotFound):
        dead_letters.replay(context="notifications", entry_id=letter.pk, staff="bob")
    inbox.retry_due("notifications")

    assert applied() == [(bell, 1)]


def test_discarded_letter_is_kept_and_neither_replayed_nor_applied(cracked):
    bell = ring()
    relay.drain("orders")
    letter = entry_of(cracked.name)
    cracked.repaired = True

    dead_letters.discard(context="notifications", entry_id=letter.pk, staff="ann")
    with pytest.raises(NotFound):
        dead_letters.replay(context="notifications", entry_id=letter.pk, staff="bob")
    inbox.deliver(subscriber=cracked.name, attributes=letter.envelope)

    letter.refresh_from_db()
    assert (letter.status, letter.decided_by, letter.envelope["subject"]) == ("DISCARDED", "ann", str(bell))
    assert "cracked" in letter.error
    assert applied() == []


@pytest.mark.parametrize("damage", [{"type": "bench.unknown"}, {"schemaversion": 99}])
def test_letter_that_this_release_cannot_read_is_not_replayed(bell_book, damage):
    attributes = Outbox.objects.get(aggregate_id=ring()).envelope().to_json() | damage
    inbox.deliver(subscriber=bell_book, attributes=attributes)
    letter = entry_of(bell_book)

    with pytest.raises(dead_letters.DeadLetterUnreadable):
        dead_letters.replay(context="notifications", entry_id=letter.pk, staff="ann")

    letter.refresh_from_db()
    assert letter.status == "DEAD"


def test_letter_that_is_not_there_is_not_found():
    with pytest.raises(NotFound):
        dead_letters.discard(context="notifications", entry_id=12345, staff="ann")


def test_the_contexts_with_a_queue_for_events_are_those_with_an_inbox():
    assert sorted(topology.HEARING) == inbox.hearing_contexts()


def test_pruning_takes_what_is_done_and_old_and_nothing_else(cracked, bell_book, settings):
    settings.EVENTS_RETENTION_DAYS = 30
    ring()
    relay.drain("orders")
    old = timezone.now() - timedelta(days=31)
    Outbox.objects.update(published_at=old, occurred_at=old)
    Inbox.objects.update(received_at=old)
    fresh, unpublished = ring(), uuid4()
    relay.drain("orders")
    ring(unpublished)
    Outbox.objects.filter(aggregate_id=unpublished).update(occurred_at=old)

    gone = prune_events()

    assert gone == 2, "the published row and the processed entry"
    assert set(Outbox.objects.values_list("aggregate_id", flat=True)) == {fresh, unpublished}
    assert sorted(Inbox.objects.values_list("subscriber", "status")) == [
        (cracked.name, "DEAD"),
        (cracked.name, "DEAD"),
        (bell_book, "PROCESSED"),
    ]


def test_message_that_the_database_cannot_hold_is_buried_as_it_stands(monkeypatch):
    def refuse(**_asked):
        raise DataError("unsupported Unicode escape sequence")

    monkeypatch.setattr(dead_letters, "set_aside", refuse)

    dead_letters._keep("notifications", '[[], {"deliveries": []}, {}]', {"task": DELIVER_BATCH_TASK})

    letter = Inbox.objects.get()
    assert (letter.status, letter.envelope["raw"]) == ("DEAD", '[[], {"deliveries": []}, {}]')
    assert "unsupported Unicode" in letter.error


def test_the_end_of_a_worker_s_time_while_a_letter_is_read_again_leaves_it_as_it_is(monkeypatch):
    def out_of_time(_text):
        raise SoftTimeLimitExceeded

    dead_letters._keep("notifications", "[1, 2]", {"task": DELIVER_BATCH_TASK})
    monkeypatch.setattr(dead_letters, "_deliveries_in", out_of_time)

    with pytest.raises(SoftTimeLimitExceeded):
        dead_letters._read_again("notifications")
    assert Inbox.objects.get().status == "DEAD"
