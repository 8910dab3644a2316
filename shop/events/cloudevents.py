"""Facts as outsiders read them on `domain.events`: CloudEvents 1.0 in structured mode, as docs/asyncapi.yaml describes.

Within the shop an envelope travels in a form of its own (event.py), which workers of every release read.

Note [The sequence of a source]
CloudEvents compares `sequence` as a text, among the events of one `source`. A source here is a context of an
installation, and the number is that of the row in its outbox: no two events share it, and those of one aggregate rise,
since each is written while the aggregate's row is locked. There are gaps, and events of different aggregates may arrive
in another order. It has 19 digits, as the greatest number that PostgreSQL gives a row.
"""

from __future__ import annotations

from typing import Any

import msgspec
from django.conf import settings

from shop.events.event import Envelope

CONTENT_TYPE = "application/cloudevents+json"
SEQUENCE_DIGITS = 19


def encode(envelope: Envelope) -> bytes:
    """Return the event as outsiders get it."""
    return msgspec.json.encode(attributes_of(envelope))


def attributes_of(envelope: Envelope) -> dict[str, Any]:
    """Return the attributes of CloudEvents, `schemaversion` of our own, and `data`.

    See Note [The sequence of a source].
    """
    attributes = {
        "specversion": "1.0",
        "id": str(envelope.event_id),
        "source": source_of(envelope.context),
        "type": type_of(envelope.type),
        "subject": str(envelope.aggregate_id),
        "time": envelope.occurred_at.isoformat(),
        "datacontenttype": "application/json",
        "schemaversion": envelope.version,
        "sequence": f"{envelope.position:0{SEQUENCE_DIGITS}d}",
    }
    if envelope.traceparent:
        attributes["traceparent"] = envelope.traceparent
    return attributes | {"data": envelope.data}


def source_of(context: str) -> str:
    """Return the `source` of a context's events: that of the installation (EVENTS_SOURCE), and the context."""
    return f"{settings.EVENTS_SOURCE}/{context}"


def type_of(event_type: str) -> str:
    """Return the `type` of an event under this installation's prefix (EVENTS_TYPE_PREFIX)."""
    return f"{settings.EVENTS_TYPE_PREFIX}.{event_type}"
