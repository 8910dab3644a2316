"""A publish as AMQP 0-9-1 frames, so that many messages leave in one write.

py-amqp writes one message at a time, at three times the cost. Its connection, channel and confirms are used as they are.
"""

from __future__ import annotations

from functools import cache, lru_cache
from struct import pack
from typing import Any

import amqp

METHOD, HEADER, BODY = 1, 2, 3
BASIC, PUBLISH = 60, 40
END = b"\xce"
# Of a frame: its type, channel and length before the payload, and END after it.
OVERHEAD = 8


def publish(channel: Any, *, exchange: str, routing_key: str, mandatory: bool, properties: bytes, body: bytes) -> bytes:
    """Return the frames that publish one message on this channel."""
    number, room = channel.channel_id, channel.connection.frame_max - OVERHEAD
    header = pack(">HHQ", BASIC, 0, len(body)) + properties
    parts = [_method(number, exchange, routing_key, mandatory), _frame(HEADER, number, header)]
    parts += [_frame(BODY, number, body[start : start + room]) for start in range(0, len(body), room)]
    return b"".join(parts)


def properties_of(**properties: Any) -> bytes:
    """Return a message's properties as the header frame carries them."""
    message: Any = amqp.Message(**properties)
    encoded: bytes = message._serialize_properties()  # noqa: SLF001  py-amqp's only encoder
    return encoded


def entries_of(table: dict[str, Any]) -> bytes:
    """Return the entries of a table as AMQP carries them, without their length."""
    return properties_of(application_headers=table)[6:]


def text_entry(name: str, text: str) -> bytes:
    """Return the entry of a table that is a text."""
    encoded = text.encode()
    return short(name) + b"S" + pack(">I", len(encoded)) + encoded


def properties_with_headers(entries: bytes, *, message_id: str, **properties: str | int) -> bytes:
    """Return a message's properties with these entries of its headers; its correlation_id is its message_id."""
    # Flags, texts and an empty table; the delivery mode; and three empty texts: correlation, reply and message.
    empty = _properties_around_headers(**properties)
    identity = short(message_id)
    return b"".join((empty[:-8], pack(">I", len(entries)), entries, empty[-4:-3], identity, short(""), identity))


@cache
def _properties_around_headers(**properties: str | int) -> bytes:
    return properties_of(application_headers={}, correlation_id="", reply_to="", message_id="", **properties)


@cache
def properties_before_id(**properties: str | int) -> bytes:
    """Return the encoded properties of a message up to the value of its `message_id`, which must be the last of them."""
    return properties_of(**properties, message_id="")[:-1]


def short(text: str) -> bytes:
    """Return a short string as AMQP carries it: at most 255 bytes, after their number."""
    encoded = text.encode()
    return bytes([len(encoded)]) + encoded


@lru_cache(maxsize=1024)
def _method(number: int, exchange: str, routing_key: str, mandatory: bool) -> bytes:
    payload = pack(">HHH", BASIC, PUBLISH, 0) + short(exchange) + short(routing_key) + bytes([mandatory])
    return _frame(METHOD, number, payload)


def _frame(kind: int, number: int, payload: bytes) -> bytes:
    return pack(">BHI", kind, number, len(payload)) + payload + END
