"""The Celery transport: deliveries as Celery messages over RabbitMQ, with every confirm accounted for.

Publishes are pipelined and the broker's confirms matched by delivery tag: py-amqp's own `confirm_publish` waits for any
ack, whoever it is for. After any error the connection is thrown away, so that no late confirm can speak for a message
it does not belong to.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import amqp
from celery import current_app
from django.conf import settings
from kombu import Connection, Producer

from shop.events import topology
from shop.events.bus import TransportUnavailable, subscribers_of
from shop.events.event import Envelope

CONNECT_TIMEOUT_SECONDS = 2
CONFIRM_TIMEOUT_SECONDS = 6
DELIVER_TASK = "shop.deliver_event"


@dataclass
class _Batch:
    """What is under way on a channel: which delivery tag belongs to which envelope, and what was refused."""

    waiting: dict[int, int] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)

    def settle(self, tag: int, multiple: bool, error: str = "") -> None:
        tags = [known for known in self.waiting if known <= tag] if multiple else [tag]
        for known in tags:
            index = self.waiting.pop(known, None)
            if index is not None and error:
                self.errors[index] = error


class CeleryTransport:
    """Publish each envelope once per subscriber to its context's queue, and once to the outsiders' exchange."""

    def __init__(self) -> None:
        self._local = threading.local()

    def send(self, envelopes: Sequence[Envelope]) -> Sequence[str]:
        """Publish and wait for every confirm.

        Returns an error per envelope that the broker refused (no queue took it, or it was nacked), "" otherwise.
        Raises: TransportUnavailable where the broker is away or a confirm is missing: some may have arrived.
        """
        try:
            return self._send(envelopes)
        except Exception as error:
            self._throw_away()
            if isinstance(error, (*_connection_errors(), OSError, TimeoutError)):
                raise TransportUnavailable(f"{type(error).__name__}: {error}") from error
            raise

    def _send(self, envelopes: Sequence[Envelope]) -> Sequence[str]:
        producer, batch = self._producer()
        for index, envelope in enumerate(envelopes):
            for options in (*_deliveries(envelope), _copy_for_outsiders(envelope)):
                self._local.tag += 1
                batch.waiting[self._local.tag] = index
                producer.publish(
                    **options, message_id=str(index), retry=False, delivery_mode=2, timeout=CONFIRM_TIMEOUT_SECONDS
                )
        deadline = time.monotonic() + CONFIRM_TIMEOUT_SECONDS
        while batch.waiting:
            self._local.connection.drain_events(timeout=max(0.01, deadline - time.monotonic()))
        if batch.errors:
            self._throw_away()  # the next connection declares again whatever went missing
        return [batch.errors.get(index, "") for index in range(len(envelopes))]

    def _producer(self) -> tuple[Producer, _Batch]:
        """Return this thread's producer on a channel in confirm mode, with an empty batch."""
        if getattr(self._local, "producer", None) is None:
            self._local.connection = connect().connection  # AMQP's own, below kombu's
            channel = self._local.connection.channel()
            topology.declare(channel)
            channel.confirm_select()
            self._local.producer, self._local.tag = Producer(channel), 0
        batch = _Batch()
        channel = self._local.producer.channel
        channel.events["basic_ack"] = {batch.settle}
        channel.events["basic_nack"] = {lambda tag, multiple: batch.settle(tag, multiple, "the broker refused it")}
        channel.events["basic_return"] = {
            lambda error, _exchange, key, message: batch.errors.__setitem__(
                int(message.properties["message_id"]), f"no queue for {key}: {error}"
            )
        }
        return self._local.producer, batch

    def _throw_away(self) -> None:
        """Close the socket without a goodbye: a broker that is frozen would never answer one."""
        connection: amqp.Connection | None = getattr(self._local, "connection", None)
        self._local.connection = self._local.producer = None
        if connection is not None:
            connection.collect()


def _deliveries(envelope: Envelope) -> Iterator[dict[str, Any]]:
    """Yield one Celery message per subscriber, each to the queue of the subscriber's own context."""
    amqp_of_celery: Any = current_app.amqp
    for subscriber in subscribers_of(envelope.type):
        message = amqp_of_celery.as_task_v2(
            f"{envelope.event_id}:{subscriber.name}",
            DELIVER_TASK,
            kwargs={"subscriber": subscriber.name, "attributes": envelope.to_json()},
        )
        yield {
            "body": message.body,
            "serializer": "json",
            "exchange": topology.named("events"),
            "routing_key": f"{subscriber.context}.events",
            "mandatory": True,
            "headers": message.headers | ({"traceparent": envelope.traceparent} if envelope.traceparent else {}),
            **message.properties,
        }


def _copy_for_outsiders(envelope: Envelope) -> dict[str, Any]:
    """Return the CloudEvents message; it need not reach a queue, outsiders bind their own."""
    return {
        "body": json.dumps(envelope.to_json()),
        "content_type": "application/cloudevents+json",
        "content_encoding": "utf-8",
        "exchange": topology.named("domain.events"),
        "routing_key": envelope.type,
    }


def connect(url: str | None = None) -> Connection:
    """Open a connection to the broker on which no call waits for ever.

    Raises: OSError or the transport's connection errors within 2 s.
    """
    connection = Connection(
        url or settings.BROKER_URL,
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        heartbeat=0,
        transport_options={"read_timeout": CONFIRM_TIMEOUT_SECONDS, "write_timeout": CONFIRM_TIMEOUT_SECONDS},
    )
    connection.connect()
    return connection


def _connection_errors() -> tuple[type[BaseException], ...]:
    with Connection(settings.BROKER_URL) as connection:
        return (*connection.connection_errors, *connection.channel_errors)
