"""Messages that RabbitMQ has confirmed and lost: the facts in them are published again, once nothing else can hold them."""

from datetime import timedelta

from django.db.models import F

from orders.models import Outbox
from shop import topology
from shop.clock import now
from shop.events import inbox, relay, republish, unheard
from shop.events.broker import connect
from shop.models import Subscription
from tests.driver.rabbitmq import channel_of
from tests.driver.waiting import until
from tests.integration.events.bench import applied, ring


def purge(queue):
    with channel_of(connect()) as channel:
        channel.queue_purge(topology.named(queue))


def half_an_hour_passes():
    by = timedelta(minutes=30)
    Outbox.objects.filter(published_at__isnull=False).update(
        published_at=F("published_at") - by, occurred_at=F("occurred_at") - by
    )


def test_a_purged_fact_is_published_again_behind_those_that_wait_and_applied_once(broker, worker):
    unheard.note_subscriptions()
    Subscription.objects.update(since=now() - timedelta(hours=1))
    lost = ring()
    relay.drain("orders")
    until(lambda: broker.depth("notifications.events")[0] == 1, "the broker has it")
    purge("notifications.events")
    waiting = ring()
    relay.drain("orders")
    until(lambda: broker.depth("notifications.events")[0] == 1, "the broker has the other")
    half_an_hour_passes()

    assert republish.publish_unheard() == 0, "both may stand in the queue"
    assert relay.drain("orders") == 0
    process = worker()
    until(applied, "the one that waited is applied", process=process)
    until(lambda: republish.publish_unheard() == 1, "the lost one is found", process=process)
    assert relay.drain("orders") == 1

    def both_are_applied():
        inbox.retry_due("notifications")
        return len(applied()) >= 2

    until(both_are_applied, "the lost one is applied", process=process)
    assert sorted(applied()) == sorted([(lost, 1), (waiting, 1)])
    assert list(unheard.look_through("orders", unheard.subscribed_since())) == []
