"""The catalogue of events as an AsyncAPI 3 document: every fact that outsiders can hear, with the schema of its payload.

`manage.py asyncapi` writes it; docs/asyncapi.yaml is what it says under default settings, and `make check` compares them.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import msgspec
from django.conf import settings

from shop import topology
from shop.contexts import CONTEXTS
from shop.events import cloudevents
from shop.events.event import Event, registry
from shop.events.past import LEFT_BEHIND

SCHEMAS = "#/components/schemas/{name}"
TRACEPARENT = "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"
DESCRIPTION = """\
The facts that the shop publishes, on a topic exchange of RabbitMQ. Bind a queue of your own; the routing key is the
event's name without the prefix of its `type`: bind to `order.placed`, `order.*` or `#`. The exchange keeps nothing for those
who are not bound.

- **Format**: CloudEvents 1.0 in structured mode. The AMQP `message_id` is the event's `id`.
- **Delivery** is at least once: an event may come again under its `id`. After a failure it may come late.
- **Order**: `sequence` compares as a text among the events of one `source`. It rises for one `subject` and has gaps.
- **Change**: members are added to `data`, and `schemaversion` rises when one changes its meaning. Ignore what you do not know.
- **Contents**: ids, codes and amounts. Amounts are whole minor units of an ISO 4217 currency.
- **Personal data**: no names, addresses or card numbers. These members are personal, since they lead to a parcel at its carrier:
  {personal}.
  The shop erases them from its tables when it erases the recipient; your copies are yours to erase.
"""


def document() -> dict[str, Any]:
    """Return the AsyncAPI document of this installation's events."""
    events = published_events()
    schemas = msgspec.json.schema_components(events, ref_template=SCHEMAS)[1]
    description = DESCRIPTION.format(personal=_personal(events))
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Shop events", "version": "1.0.0", "description": description},
        "defaultContentType": cloudevents.CONTENT_TYPE,
        "channels": {event.type: _channel(event) for event in events},
        "operations": {
            f"publish {event.type}".replace(" ", "."): {
                "action": "send",
                "channel": {"$ref": f"#/channels/{event.type}"},
                "messages": [{"$ref": f"#/channels/{event.type}/messages/{event.type}"}],
            }
            for event in events
        },
        "components": {
            "messages": {event.type: _message(event) for event in events},
            "schemas": {"CloudEvent": _cloud_event(), **schemas},
        },
    }


def published_events() -> list[type[Event]]:
    """Return every event of the product's contexts, by name."""
    events = [registry[name] for name in sorted(registry)]
    return [event for event in events if event.__module__.partition(".")[0] in CONTEXTS]


def _personal(events: list[type[Event]]) -> str:
    """Return where a member stands that leads to a person: `tracking_number` in `order.shipped`, and the others."""
    named: dict[str, list[str]] = {}
    for event in events:
        for member in LEFT_BEHIND:
            if member in {each.name for each in fields(event)}:
                named.setdefault(member, []).append(f"`{event.type}`")
    return "; ".join(f"`{member}` in {', '.join(types)}" for member, types in named.items())


def _channel(event: type[Event]) -> dict[str, Any]:
    exchange = {"name": topology.named("domain.events"), "type": "topic", "durable": True, "autoDelete": False}
    return {
        "address": event.type,
        "messages": {event.type: {"$ref": f"#/components/messages/{event.type}"}},
        "bindings": {"amqp": {"is": "routingKey", "exchange": exchange, "bindingVersion": "0.3.0"}},
    }


def _message(event: type[Event]) -> dict[str, Any]:
    text = " ".join((event.__doc__ or "").split())
    return {
        "name": cloudevents.type_of(event.type),
        "title": event.__name__,
        "summary": text,
        "contentType": cloudevents.CONTENT_TYPE,
        "correlationId": {"location": "$message.payload#/traceparent"},
        "payload": {
            "allOf": [
                {"$ref": SCHEMAS.format(name="CloudEvent")},
                {
                    "type": "object",
                    "properties": {
                        "source": {"const": cloudevents.source_of(event.context())},
                        "type": {"const": cloudevents.type_of(event.type)},
                        "schemaversion": {"const": event.version},
                        "data": {"$ref": SCHEMAS.format(name=event.__name__)},
                    },
                },
            ]
        },
    }


def _cloud_event() -> dict[str, Any]:
    properties = {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "format": "uuid", "description": "Unique for each event; a copy has the same."},
        "source": {
            "type": "string",
            "format": "uri-reference",
            "minLength": 1,
            "description": "The installation (EVENTS_SOURCE) and the context that tells.",
        },
        "type": {
            "type": "string",
            "minLength": 1,
            "description": f"The event's name after EVENTS_TYPE_PREFIX, here `{settings.EVENTS_TYPE_PREFIX}`.",
        },
        "subject": {
            "type": "string",
            "format": "uuid",
            "description": "What it is about: an order, a payment, a product.",
        },
        "time": {"type": "string", "format": "date-time"},
        "datacontenttype": {"const": "application/json"},
        "schemaversion": {"type": "integer", "minimum": 1, "description": "The version of the schema of `data`."},
        "sequence": {
            "type": "string",
            "pattern": f"^[0-9]{{{cloudevents.SEQUENCE_DIGITS}}}$",
            "description": "The place among the events of its `source`, compared as a text.",
        },
        "traceparent": {
            "type": "string",
            "pattern": TRACEPARENT,
            "description": "W3C Trace Context of the work that made it true.",
        },
        "data": {"type": "object"},
    }
    required = [name for name in properties if name != "traceparent"]
    return {"type": "object", "required": required, "properties": properties}
