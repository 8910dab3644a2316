"""Each subscriber applies each event exactly once, or a row says why not yet."""

from concurrent.futures import wait
from datetime import timedelta
from threading import Barrier
from uuid import uuid4

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, IntegrityError, connections
from django.utils import timezone

from notifications.models import Inbox
from orders.models import Outbox
from shop import transactions
from shop.events import batches, inbox, relay
from shop.events.inbox import DeliveryStatus
from tests.integration.events.bench import applied, apply, entry_of, hear, ring


def attributes_of(bell):
    return Outbox.objects.get(aggregate_id=bell).envelope().to_json()


def make_due(**chosen):
    Inbox.objects.filter(**chosen).update(due_at=timezone.now() - timedelta(seconds=1))


class Broken:
    """A handler that writes and then fails, until it is repaired."""

    def __init__(self, error=None):
        self.calls = 0
        self.error = error or RuntimeError("the bell is cracked")

    def __call__(self, event):
        self.calls += 1
        apply(event, "notifications.broken")
        if self.error:
            raise self.error


def test_event_delivered_five_times_is_applied_once(bell_book):
    bell = ring()

    outcomes = [inbox.deliver(subscriber=bell_book, attributes=attributes_of(bell)) for _ in range(5)]

    assert outcomes == [DeliveryStatus.PROCESSED, None, None, None, None]
    assert applied() == [(bell, 1)]
    assert entry_of(bell_book).status == DeliveryStatus.PROCESSED


def test_event_delivered_by_sixteen_threads_at_once_is_applied_once(bell_book, background):
    bell = ring()
    attributes, start = attributes_of(bell), Barrier(16)

    def deliver():
        connections["default"].ensure_connection()
        start.wait(60)
        return inbox.deliver(subscriber=bell_book, attributes=attributes)

    outcomes = [call.result(60) for call in [background(deliver) for _ in range(16)]]

    assert sorted(outcomes, key=str) == [None] * 15 + [DeliveryStatus.PROCESSED]
    assert applied() == [(bell, 1)]


def test_second_delivery_waits_for_the_first_and_takes_over_when_it_fails(background):
    inside, go_on = Barrier(2), Barrier(2)
    attempts = []

    def ring_back(event):
        attempts.append(event)
        if len(attempts) == 1:
            inside.wait(60)
            go_on.wait(60)
            raise RuntimeError("only the first attempt fails")
        apply(event, "notifications.ring_back")

    subscriber = hear(ring_back, name="ring_back")
    attributes = attributes_of(ring())
    first = background(lambda: inbox.deliver(subscriber=subscriber, attributes=attributes))
    inside.wait(60)
    second = background(lambda: inbox.deliver(subscriber=subscriber, attributes=attributes))
    go_on.wait(60)
    wait([first, second], timeout=60)

    # Whichever of the failure's record and the second attempt came first, the event is applied once.
    assert second.result() == DeliveryStatus.PROCESSED
    assert first.result() in (None, DeliveryStatus.RETRYING)
    assert len(applied()) == 1
    assert entry_of(subscriber).status == DeliveryStatus.PROCESSED


def test_two_subscribers_of_one_event_have_a_row_and_an_effect_each(bell_book):
    other = hear(lambda event: apply(event, "notifications.answer"), name="answer")
    bell = ring()

    relay.drain("orders")

    assert applied(bell_book) == applied("notifications.answer") == [(bell, 1)]
    assert set(Inbox.objects.values_list("subscriber", "status")) == {(bell_book, "PROCESSED"), (other, "PROCESSED")}


def test_failing_handler_leaves_no_effect_and_a_row_that_says_when_to_try_again():
    subscriber = hear(Broken(), name="broken")
    bell = ring()

    relay.drain("orders")

    entry = entry_of(subscriber)
    assert applied() == []
    assert (entry.status, entry.attempts) == (DeliveryStatus.RETRYING, 1)
    assert entry.received_at < entry.due_at < timezone.now() + timedelta(seconds=3)
    assert entry.envelope["data"] == {"bell": str(bell), "count": 1}
    assert "RuntimeError: the bell is cracked" in entry.error


def test_failing_handler_does_not_keep_the_event_from_its_other_subscriber(bell_book):
    hear(Broken(), name="broken")
    bell = ring()

    relay.drain("orders")

    assert applied() == [(bell, 1)]


def test_waits_between_attempts_double():
    broken = Broken()
    subscriber = hear(broken, name="broken")
    ring()
    relay.drain("orders")

    for expected in (2, 4, 8, 16, 32):
        make_due()
        before = timezone.now()
        assert inbox.retry_due("notifications") == 1
        due_at = entry_of(subscriber).due_at
        assert due_at - before > timedelta(seconds=expected * 0.7)
        assert due_at - timezone.now() < timedelta(seconds=expected * 1.3)

    assert broken.calls == 6


def test_delivery_that_is_not_due_is_left_alone():
    broken = Broken()
    hear(broken, name="broken")
    ring()
    relay.drain("orders")
    Inbox.objects.update(due_at=timezone.now() + timedelta(minutes=1))

    assert inbox.retry_due("notifications") == 0
    assert broken.calls == 1


def test_repaired_handler_applies_the_event_at_its_next_attempt():
    broken = Broken()
    subscriber = hear(broken, name="broken")
    bell = ring()
    relay.drain("orders")

    broken.error = None
    make_due()
    inbox.retry_due("notifications")

    entry = entry_of(subscriber)
    assert applied() == [(bell, 1)]
    assert (entry.status, entry.attempts, entry.due_at, entry.envelope) == ("PROCESSED", 2, None, None)


def test_event_dies_after_its_attempts_with_envelope_and_error_kept(settings):
    settings.EVENTS_MAX_ATTEMPTS = 3
    broken = Broken()
    subscriber = hear(broken, name="broken")
    bell = ring()
    relay.drain("orders")

    for _ in range(5):
        make_due(status="RETRYING")
        inbox.retry_due("notifications")

    entry = entry_of(subscriber)
    assert broken.calls == 3
    assert (entry.status, entry.attempts, entry.due_at) == (DeliveryStatus.DEAD, 3, None)
    assert entry.envelope["subject"] == str(bell)
    assert "the bell is cracked" in entry.error


def test_dead_event_that_arrives_again_stays_dead(settings):
    settings.EVENTS_MAX_ATTEMPTS = 1
    broken = Broken()
    subscriber = hear(broken, name="broken")
    bell = ring()
    relay.drain("orders")
    broken.error = None

    assert inbox.deliver(subscriber=subscriber, attributes=attributes_of(bell)) is None

    assert entry_of(subscriber).status == DeliveryStatus.DEAD
    assert applied() == []


@pytest.mark.parametrize("error", [IntegrityError("twice"), DatabaseError("gone"), TimeoutError()])
def test_no_error_of_a_handler_leaves_an_effect_behind(error):
    subscriber = hear(Broken(error), name="broken")
    ring()

    relay.drain("orders")

    assert applied() == []
    assert entry_of(subscriber).status == DeliveryStatus.RETRYING


def test_statement_that_the_database_refuses_leaves_no_effect_behind():
    def insert_twice(event):
        apply(event, "notifications.insert_twice")
        with connections[transactions.require("notifications")].cursor() as cursor:
            cursor.execute("SELECT 1 / 0")

    subscriber = hear(insert_twice, name="insert_twice")
    ring()

    relay.drain("orders")

    assert applied() == []
    assert "DivisionByZero" in entry_of(subscriber).error


def test_handler_that_opens_a_transaction_of_another_context_is_recorded_as_failing():
    def reach_over(event):
        with transactions.transaction("orders"):
            pass

    subscriber = hear(reach_over, name="reach_over")
    ring()

    relay.drain("orders")

    assert "TransactionMisuse" in entry_of(subscriber).error


def test_retry_that_another_worker_has_taken_is_not_taken_twice(background):
    calls, inside, go_on = [], Barrier(2), Barrier(2)

    def linger(event):
        calls.append(event)
        if len(calls) == 2:
            inside.wait(60)
            go_on.wait(60)
            return
        raise RuntimeError("first time")

    hear(linger, name="linger")
    ring()
    relay.drain("orders")
    make_due()

    first = background(inbox.retry_due, "notifications")
    inside.wait(60)
    taken_meanwhile = inbox.retry_due("notifications")
    go_on.wait(60)

    assert (first.result(60), taken_meanwhile, len(calls)) == (1, 0, 2)


def test_retries_do_not_wait_behind_another_worker_s_slow_one(background):
    calls, inside, go_on = [], Barrier(2), Barrier(2)

    def linger(event):
        calls.append(event.bell)
        if len(calls) == 3:
            inside.wait(60)
            go_on.wait(60)
        elif len(calls) < 3:
            raise RuntimeError("first time")

    hear(linger, name="linger")
    bells = []
    for _ in range(2):
        bells.append(ring())
        relay.drain("orders")
    make_due()

    first = background(inbox.retry_due, "notifications")
    inside.wait(60)
    taken_meanwhile = inbox.retry_due("notifications")
    go_on.wait(60)

    assert (first.result(60), taken_meanwhile) == (1, 1)
    assert sorted(calls) == sorted(bells * 2)


class Killed(BaseException):
    """What a dying process does to the code it is in: nothing is caught, nothing is tidied up."""


def test_delivery_that_kills_its_worker_keeps_no_other_waiting_and_ends_as_a_dead_letter(settings):
    settings.EVENTS_MAX_ATTEMPTS = 3
    deadly, runs = uuid4(), []

    def handler(event):
        runs.append(event.bell)
        if event.bell == deadly:
            raise Killed
        apply(event, "notifications.mortal")

    name = hear(handler, name="mortal")
    ring(deadly)
    bells = [ring() for _ in range(3)]
    told = [row.envelope().to_json() for row in Outbox.objects.order_by("id")]
    batches.set_aside(deliveries=[(name, each) for each in told], reason="a worker died")

    for _ in range(3):
        with pytest.raises(Killed):
            inbox.retry_due("notifications")
        inbox.retry_due("notifications")
        make_due()
    inbox.retry_due("notifications")

    assert sorted(bell for bell, _count in applied()) == sorted(bells)
    assert runs.count(deadly) == 3
    entry = Inbox.objects.get(status="DEAD")
    assert (entry.attempts, entry.due_at) == (4, None)
    assert entry.error == "a worker died\nno worker lived to record its last attempt"


def test_time_limit_is_kept_as_a_failure_and_ends_the_work():
    broken = Broken(SoftTimeLimitExceeded())
    name = hear(broken, name="slow")
    bells = [ring(), ring()]
    with pytest.raises(SoftTimeLimitExceeded):
        inbox.deliver(subscriber=name, attributes=attributes_of(bells[0]))
    with pytest.raises(SoftTimeLimitExceeded):
        batches._deliver_apart([(name, attributes_of(bell)) for bell in reversed(bells)])
    assert [row.status for row in Inbox.objects.order_by("id")] == [DeliveryStatus.RETRYING] * 2

    make_due(status=DeliveryStatus.RETRYING)
    calls = broken.calls
    with pytest.raises(SoftTimeLimitExceeded):
        inbox.retry_due("notifications")

    assert (broken.calls, applied()) == (calls + 1, [])


def test_failure_that_comes_after_another_worker_has_applied_the_event_leaves_it_applied(monkeypatch):
    bell, broken = ring(), Broken()
    name = hear(broken, name="overtaken")
    record = inbox._record_failure

    def overtaken(*args, **options):
        broken.error = None
        assert inbox.deliver(subscriber=name, attributes=attributes_of(bell)) == DeliveryStatus.PROCESSED
        return record(*args, **options)

    monkeypatch.setattr(inbox, "_record_failure", overtaken)

    assert inbox.deliver(subscriber=name, attributes=attributes_of(bell)) is None

    assert (entry_of(name).status, entry_of(name).due_at) == (DeliveryStatus.PROCESSED, None)
    assert broken.calls == 2
