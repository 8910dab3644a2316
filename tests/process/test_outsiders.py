"""What outsiders take from RabbitMQ is what docs/asyncapi.yaml says, and CloudEvents besides: every event there is."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import jsonschema
import pytest
import yaml
from django.conf import settings as django_settings

from shop import topology, transactions
from shop.contexts import CONTEXTS
from shop.events import publishing, relay
from shop.events.broker import connect
from shop.events.event import registry
from shop.ids import new_id
from shop.observability import tracing
from tests.architecture.test_events import example_of, product_events
from tests.driver.rabbitmq import channel_of
from tests.driver.waiting import until
from tests.process.broker import Broker

DOCUMENT = yaml.safe_load((Path(django_settings.BASE_DIR) / "docs" / "asyncapi.yaml").read_text())
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"


@pytest.fixture
def taken(broker: Broker) -> Iterator[Any]:
    """Return a function that takes so many messages, bound as the document says."""
    exchange = topology.named("domain.events")
    with channel_of(connect()) as channel:
        name, _messages, _consumers = channel.queue_declare("", exclusive=True)
        for described in DOCUMENT["channels"].values():
            assert f"{django_settings.EVENTS_NAMESPACE}{described['bindings']['amqp']['exchange']['name']}" == exchange
            channel.queue_bind(name, exchange, described["address"])

        def take(count: int) -> list[Any]:
            return [until(lambda: channel.basic_get(name, no_ack=True), "a message comes") for _each in range(count)]

        yield take


def publish_all(times: int) -> int:
    """Have every context tell each of its events, so often, of one aggregate and with one version."""
    aggregates: defaultdict[str, UUID] = defaultdict(new_id)
    for name in sorted(product_events()):
        event = example_of(registry[name])
        with tracing.continued_span("tell", TRACE), transactions.transaction(event.context()):
            for _each in range(times):
                publishing.publish(event, aggregate_id=aggregates[event.context()], aggregate_version=9)
    return times * len(product_events())


def test_every_message_is_as_the_document_says(taken: Any):
    expected = publish_all(times=3)
    for context in CONTEXTS:
        relay.drain(context)

    messages = taken(expected)

    seen: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for message in messages:
        told = json.loads(message.body)
        described = DOCUMENT["channels"][message.delivery_info["routing_key"]]
        (name,) = described["messages"]
        wanted = DOCUMENT["components"]["messages"][name]
        schema = wanted["payload"] | {"components": DOCUMENT["components"]}
        checked = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
        assert [error.message for error in checked.iter_errors(told)] == [], told
        assert message.properties["content_type"] == wanted["contentType"]
        assert message.properties["message_id"] == told["id"]
        assert told["type"] == wanted["name"]
        assert told["traceparent"].startswith(TRACE[:36])
        assert set(told) == set(DOCUMENT["components"]["schemas"]["CloudEvent"]["properties"])
        seen[told["source"]].append(told)
    assert {told["type"].partition(".")[2] for events in seen.values() for told in events} == set(product_events())
    assert set(seen) == {f"/shop/{context}" for context in CONTEXTS}
    assert len({told["id"] for events in seen.values() for told in events}) == expected
    for events in seen.values():
        sequences = [told["sequence"] for told in events]
        assert sequences == sorted(sequences)
        assert len(set(sequences)) == len(sequences)
