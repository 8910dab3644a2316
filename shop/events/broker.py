"""The Celery transport: deliveries as Celery messages over RabbitMQ, with every confirm accounted for.

Publishes are pipelined and the broker's confirms matched by delivery tag: py-amqp's own `confirm_publish` waits for any
ack, whoever it is for. After any error the connection is thrown away, so that no late confirm can speak for a message
it does not belong to.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

import amqp
from django.conf import settings
from kombu import Connection

from shop import topology
from shop.events import frames
from shop.events.event import Envelope
from shop.events.messages import Message, messages_of
from shop.events.port import TransportUnavailable

CONNECT_TIMEOUT_SECONDS = 2
CONFIRM_TIMEOUT_SECONDS = 6
# Messages are collected up to this length, then written together.
WRITE_BYTES = 64 * 1024
READ_BYTES = 4096


@dataclass
class _Batch:
    """What is under way on a channel: which message has which delivery tag, and which envelopes were refused."""

    waiting: dict[int, Message] = field(default_factory=dict)
    returned: dict[str, str] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)

    def settle(self, tag: int, multiple: bool, error: str = "") -> None:
        """Take the broker's word for one message, or for all up to it; a returned one was taken by no queue."""
        tags = list(takewhile(lambda known: known <= tag, self.waiting)) if multiple else [tag]
        for known in tags:
            if (message := self.waiting.pop(known, None)) is None:
                continue
            if why := error or self.returned.get(message.message_id, ""):
                self.errors |= dict.fromkeys(message.indexes, why)

    def give_back(self, error: Exception, _exchange: str, key: str, message: amqp.Message) -> None:
        """Note that no queue took a message; its confirm comes after this."""
        self.returned[str(message.properties["message_id"])] = f"no queue for {key}: {error}"


class CeleryTransport:
    """Publish deliveries to the queues of the subscribers' contexts, and each envelope to the outsiders' exchange."""

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
        channel, batch = self._channel(), _Batch()
        channel.events["basic_ack"] = {batch.settle}
        channel.events["basic_nack"] = {lambda tag, multiple: batch.settle(tag, multiple, "the broker refused it")}
        channel.events["basic_return"] = {batch.give_back}
        outgoing = bytearray()
        for message in messages_of(envelopes):
            self._local.tag += 1
            batch.waiting[self._local.tag] = message
            _publish(channel, outgoing, message)
        _write(channel, outgoing)
        deadline = time.monotonic() + CONFIRM_TIMEOUT_SECONDS
        while batch.waiting:
            self._local.connection.drain_events(timeout=max(0.01, deadline - time.monotonic()))
        if batch.errors:
            self._throw_away()  # the next connection declares again whatever went missing
        return [batch.errors.get(index, "") for index in range(len(envelopes))]

    def _channel(self) -> Any:
        """Return this thread's channel, which is in confirm mode."""
        if getattr(self._local, "connection", None) is None:
            self._local.connection = connect().connection  # AMQP's own, below kombu's
            read_ahead(self._local.connection.transport)
            self._local.channel = self._local.connection.channel()
            topology.declare(self._local.channel)
            self._local.channel.confirm_select()
            self._local.tag = 0
        return self._local.channel

    def _throw_away(self) -> None:
        """Close the socket without a goodbye: a broker that is frozen would never answer one."""
        connection: amqp.Connection | None = getattr(self._local, "connection", None)
        self._local.connection = self._local.channel = None
        if connection is not None:
            connection.collect()


def read_ahead(transport: Any) -> None:
    """Have py-amqp take from the socket what is there: two calls for each of a thousand confirms cost more than sending."""
    receive = transport._quick_recv  # noqa: SLF001  it keeps what it was not asked for in its buffer
    transport._quick_recv = lambda wanted: receive(max(wanted, READ_BYTES))  # noqa: SLF001


def _publish(channel: Any, outgoing: bytearray, message: Message) -> None:
    """Add a message to what goes out, and write that once it is long. Raises: OSError."""
    outgoing += frames.publish(
        channel,
        exchange=message.exchange,
        routing_key=message.routing_key,
        mandatory=message.mandatory,
        properties=message.properties,
        body=message.body,
    )
    if len(outgoing) >= WRITE_BYTES:
        _write(channel, outgoing)


def _write(channel: Any, outgoing: bytearray) -> None:
    """Hand what goes out to the kernel, in order, and empty it. Raises: OSError."""
    if outgoing:
        channel.connection.transport.write(bytes(outgoing))
        outgoing.clear()


def connect(
    url: str | None = None,
    *,
    connect_seconds: float = CONNECT_TIMEOUT_SECONDS,
    answer_seconds: float = CONFIRM_TIMEOUT_SECONDS,
    heartbeat_seconds: int = 0,
) -> Connection:
    """Open a connection to the broker on which no call waits longer than `answer_seconds`.

    A broker may accept a connection and then say nothing: the handshake ends by the same limit.
    `heartbeat_seconds`: the broker ends the connection once it has heard nothing for about twice as long; whoever asks for
    that calls `heartbeat_tick` more often. 0 for none.
    Raises: OSError or the transport's connection errors.
    """
    connection = Connection(
        url or settings.BROKER_URL,
        connect_timeout=connect_seconds,
        heartbeat=heartbeat_seconds,
        transport_options={"read_timeout": answer_seconds, "write_timeout": answer_seconds},
    )
    connection.connect()
    return connection


def _connection_errors() -> tuple[type[BaseException], ...]:
    with Connection(settings.BROKER_URL) as connection:
        return (*connection.connection_errors, *connection.channel_errors)
