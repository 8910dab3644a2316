"""The Celery transport: a row counts as published on the broker's word for that very row."""

import json

import amqp
import pytest
from django.utils import timezone

from orders.models import Outbox
from shop import topology
from shop.contexts import CONTEXTS
from shop.events import broker as celery_transport
from shop.events import relay
from shop.events.broker import connect
from shop.events.port import TransportUnavailable
from tests.driver.rabbitmq import channel_of
from tests.driver.waiting import until
from tests.integration.events.bench import Struck, applied, ring


def free_all():
    Outbox.objects.filter(published_at=None).update(claimed_until=timezone.now())


def unpublished():
    return list(Outbox.objects.filter(published_at=None).order_by("id").values_list("aggregate_id", flat=True))


def test_event_that_no_queue_takes_is_refused_alone_and_arrives_once_the_queue_is_back(broker):
    ring()
    relay.drain("orders")  # it is connected now, and declares nothing any more
    with connect() as connection:
        topology.events_queue("shipping").bind(connection.default_channel).delete()
    before, bad, after = ring(), ring(event=Struck), ring()

    assert relay.drain("orders") == 2

    assert unpublished() == [bad]
    row = Outbox.objects.get(aggregate_id=bad)
    assert row.last_error.startswith("no queue for shipping.events: ")
    assert row.attempts == 1
    assert Outbox.objects.filter(aggregate_id__in=[before, after]).exclude(published_at=None).count() == 2
    free_all()
    assert relay.drain("orders") == 1
    assert broker.depth("shipping.events") == (1, 0)


def test_event_that_a_full_queue_refuses_is_an_error_of_that_event_alone(broker):
    ring()
    relay.drain("orders")
    queue = topology.events_queue("shipping")
    queue.queue_arguments |= {"x-max-length": 1}
    with connect() as connection:
        queue.bind(connection.default_channel).delete()
        queue.bind(connection.default_channel).declare()
        strokes = []
        # A quorum queue refuses a little after it is full.
        for _ in range(10):
            strokes += [ring(event=Struck), ring(event=Struck)]
            rings = [ring(), ring()]
            published = relay.drain("orders")
            if published < 4:
                break
        refused = unpublished()

        assert refused
        assert set(refused) < set(strokes)
        assert published == 4 - len(refused)
        assert Outbox.objects.filter(aggregate_id__in=rings, published_at=None).count() == 0
        assert {row.last_error for row in Outbox.objects.filter(published_at=None)} == {"the broker refused it"}
        queue.bind(connection.default_channel).delete()


def test_frozen_broker_counts_as_away_and_nothing_is_lost_or_doubled(broker, node, worker, monkeypatch):
    monkeypatch.setattr(celery_transport, "CONFIRM_TIMEOUT_SECONDS", 1)
    first = ring()
    relay.drain("orders")
    second = ring()
    node.pause()

    with pytest.raises(TransportUnavailable):
        relay.drain("orders")
    assert unpublished() == [second]
    assert Outbox.objects.get(aggregate_id=second).claimed_until is None

    node.resume()
    monkeypatch.undo()
    relay.drain("orders")
    process = worker()
    until(lambda: len(applied()) >= 2, "both arrive", process=process)
    until(lambda: broker.depth("notifications.events")[0] == 0, "the copies are taken too", process=process)
    assert sorted(applied()) == sorted([(first, 1), (second, 1)])


def test_outsiders_hear_every_event_as_cloudevents_json(broker):
    with channel_of(connect()) as channel:
        name, _messages, _consumers = channel.queue_declare("", exclusive=True)
        channel.queue_bind(name, topology.named("domain.events"), "bench.#")
        bell = ring(count=3)

        relay.drain("orders")

        message = channel.basic_get(name, no_ack=True)
    told = json.loads(message.body)
    assert message.properties["content_type"] == "application/cloudevents+json"
    assert message.properties["delivery_mode"] == 2
    row = Outbox.objects.get()
    assert told == {
        "specversion": "1.0",
        "id": str(row.event_id),
        "source": "/shop/orders",
        "type": "shop.bench.rung",
        "subject": str(bell),
        "time": row.occurred_at.isoformat(),
        "datacontenttype": "application/json",
        "schemaversion": 1,
        "sequence": f"{row.pk:019d}",
        "data": {"bell": str(bell), "count": 3},
    }
    assert (message.properties["message_id"], message.delivery_info["routing_key"]) == (told["id"], "bench.rung")


@pytest.mark.parametrize("context", topology.HEARING)
def test_every_context_has_a_durable_quorum_queue_that_loses_nothing(broker, context):
    queue = topology.events_queue(context)
    prefix = queue.name.removesuffix(f"{context}.events")

    assert queue.durable
    assert queue.queue_arguments == {
        "x-queue-type": "quorum",
        "x-delivery-limit": 10,
        "x-dead-letter-exchange": f"{prefix}dead.letters",
        "x-dead-letter-routing-key": f"{context}.dead",
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
    # The broker refuses to declare a queue anew with other arguments than it has: so it has each of these.
    for name in queue.queue_arguments:
        others = {key: value for key, value in queue.queue_arguments.items() if key != name}
        with channel_of(connect()) as channel, pytest.raises(amqp.PreconditionFailed):
            channel.queue_declare(queue.name, durable=True, auto_delete=False, arguments=others)


@pytest.mark.parametrize("context", sorted(set(CONTEXTS) - set(topology.HEARING)))
@pytest.mark.parametrize("queue", ["events", "dead"])
def test_a_context_that_hears_nothing_has_no_queue_for_events(broker, context, queue):
    with channel_of(connect()) as channel, pytest.raises(amqp.NotFound):
        channel.queue_declare(topology.named(f"{context}.{queue}"), passive=True)


def test_messages_are_persistent_and_go_to_the_subscribers_queue_alone(broker):
    ring()
    relay.drain("orders")

    message = broker.take("notifications.events")

    assert message.properties["delivery_mode"] == 2
    assert message.headers["task"] == "shop.deliver_event"
    assert [broker.depth(f"{context}.events")[0] for context in topology.HEARING] == [0] * len(topology.HEARING)
