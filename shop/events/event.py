"""Events: past-tense facts as frozen, typed, versioned dataclasses, and the envelope in which they travel in the shop.

They carry ids, codes and amounts only, never personal data. A field is added by raising `version` and teaching
`upcast` to fill it for older messages, so that what an earlier release published can always be read.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Self

import msgspec

from shop.conversion import convert

registry: dict[str, type[Event]] = {}


class UnreadableEvent(ValueError):
    """An envelope that no class of this release can read: it goes to the dead letters at once."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Base of every fact. A subclass names its `type`; it is registered under it by being defined."""

    type: ClassVar[str]
    version: ClassVar[int] = 1

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "type" not in cls.__dict__:
            return
        if cls.type in registry and registry[cls.type].__qualname__ != cls.__qualname__:
            raise TypeError(f"two events are named {cls.type}: {registry[cls.type]} and {cls}")
        registry[cls.type] = cls

    @classmethod
    def context(cls) -> str:
        """Return the context that publishes this fact: the package that defines it."""
        return cls.__module__.partition(".")[0]

    def payload(self) -> dict[str, Any]:
        """Return the fact as JSON-ready primitives."""
        built: dict[str, Any] = msgspec.to_builtins(self)
        return built

    @classmethod
    def upcast(cls, payload: dict[str, Any], version: int) -> dict[str, Any]:  # noqa: ARG003  overriders read it
        """Turn the payload of an older `version` into today's. Raises: UnreadableEvent for versions unknown here."""
        raise UnreadableEvent(f"{cls.type} version {version} is unknown here; this release reads version {cls.version}")

    @classmethod
    def read(cls, payload: dict[str, Any], version: int) -> Self:
        """Return the fact that a payload of `version` states. Unknown fields are ignored (an older reader).

        Raises: UnreadableEvent.
        """
        if version != cls.version:
            payload = cls.upcast(payload, version)
        try:
            return convert(payload, cls, strict=False)
        except (msgspec.ValidationError, UnicodeError) as error:
            raise UnreadableEvent(f"{cls.type} version {version}: {error}") from error


def order_of(event: Event) -> dict[str, str]:
    """Return the order that a fact is about as an attribute of a span; none where it names none."""
    order_id = getattr(event, "order_id", None)
    return {} if order_id is None else {"order_id": str(order_id)}


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """One published fact in transit. `position` is the number of its row in the outbox; 0 where it was read from a message."""

    event_id: uuid.UUID
    type: str
    version: int
    context: str
    aggregate_id: uuid.UUID
    aggregate_version: int
    occurred_at: datetime
    data: dict[str, Any]
    traceparent: str = ""
    position: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the envelope as it travels in the shop, which workers of every release read.

        The names are those of CloudEvents; what outsiders get is told by cloudevents.py.
        """
        attributes = {
            "specversion": "1.0",
            "id": str(self.event_id),
            "source": f"/{self.context}",
            "type": self.type,
            "subject": str(self.aggregate_id),
            "time": self.occurred_at.isoformat(),
            "datacontenttype": "application/json",
            "schemaversion": self.version,
            "sequence": str(self.aggregate_version),
            "data": self.data,
        }
        return attributes | ({"traceparent": self.traceparent} if self.traceparent else {})

    @classmethod
    def from_json(cls, attributes: dict[str, Any]) -> Self:
        """Read what `to_json` wrote. Raises: UnreadableEvent."""
        try:
            return cls(
                event_id=uuid.UUID(attributes["id"]),
                type=str(attributes["type"]),
                version=int(attributes["schemaversion"]),
                context=attributes["source"].strip("/"),
                aggregate_id=uuid.UUID(attributes["subject"]),
                aggregate_version=int(attributes["sequence"]),
                occurred_at=datetime.fromisoformat(attributes["time"]),
                data=dict(attributes["data"]),
                traceparent=attributes.get("traceparent", ""),
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise UnreadableEvent(f"not an event envelope: {error!r}") from error

    def event(self) -> Event:
        """Return the typed fact inside. Raises: UnreadableEvent where its type or version is unknown."""
        if self.type not in registry:
            raise UnreadableEvent(f"no event of this release is named {self.type!r}")
        return registry[self.type].read(self.data, self.version)
