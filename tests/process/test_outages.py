"""RabbitMQ killed as by a power cut: facts stay in the outbox, and once it is back each is applied once."""

import time
from collections import Counter

import pytest

from orders.models import Outbox
from shop.events import inbox, relay
from shop.events.port import TransportUnavailable
from tests.driver.waiting import until
from tests.integration.events.bench import applied, ring, ring_many

EVENTS = 2000


def test_worker_and_beat_alone_catch_up_after_an_outage(broker, node, worker, beat):
    process = worker()
    beat()
    before = ring()
    until(applied, "the sweep publishes what nobody woke it for", process=process)

    node.kill()
    meanwhile = [ring() for _ in range(20)]
    for _ in range(3):
        with pytest.raises(TransportUnavailable):
            relay.drain("orders")
    assert Outbox.objects.filter(published_at=None, attempts=0).count() == 20, "an absent broker costs no attempt"

    node.start()
    back = time.monotonic()
    until(lambda: len(applied()) >= 21, "everything arrives", process=process)
    recovery = time.monotonic() - back

    until(lambda: broker.depth("notifications.events")[0] == 0, "nothing waits", process=process)
    assert sorted(applied()) == sorted((bell, 1) for bell in [before, *meanwhile])
    assert recovery < 60, "some 10 s on an idle machine"


def test_2000_events_through_a_broker_that_is_killed_again_and_again(broker, node, worker, publisher, monkeypatch):
    monkeypatch.setattr(relay, "BATCH", 20)
    process = worker()
    ring_many(EVENTS)
    publisher()

    for share in (0.1, 0.5):
        until(lambda: len(applied()) >= EVENTS * share, f"{share:.0%} are applied", process=process)  # noqa: B023
        node.kill()
        node.start()

    def applied_with_what_came_again():
        inbox.retry_due("notifications")
        return len(set(applied()))

    until(lambda: applied_with_what_came_again() == EVENTS, "all are applied", process=process)
    until(lambda: broker.depth("notifications.events")[0] == 0, "every copy is taken", process=process)
    assert [event for event, times in Counter(applied()).items() if times > 1] == []
    assert Outbox.objects.exclude(published_at=None).filter(type="bench.rung").count() == EVENTS
    assert process.is_running()
