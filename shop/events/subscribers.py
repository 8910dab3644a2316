"""Who hears what: `subscribe` in a context's handlers.py, where the context has an inbox and a queue (topology.HEARING)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from shop.events.event import Event

Handler = TypeVar("Handler", bound=Callable[..., None])
Wants = Callable[[Mapping[str, Any]], bool]
Many = Callable[[Sequence[Any]], None]


@dataclass(frozen=True)
class Subscriber:
    """One reaction of one context: it has its own message, its own inbox rows and its own dead letters."""

    name: str
    context: str
    handler: Callable[[Any], None]
    wants: Wants | None = None
    many: Many | None = None

    def hears(self, data: Mapping[str, Any]) -> bool:
        """Return whether it wants the fact with this payload."""
        return self.wants is None or self.wants(data)


_subscribers: dict[str, Subscriber] = {}
_by_event: defaultdict[str, list[Subscriber]] = defaultdict(list)


def subscribe(
    *events: type[Event], wants: Wants | None = None, many: Many | None = None
) -> Callable[[Handler], Handler]:
    """Register the decorated function `handler(event)` of a context's handlers.py for these facts.

    `many(events)` does for several facts at once what the handler does for each, with fewer statements; a batch of
    deliveries calls it.
    `wants(payload)` may decline a fact by what the fact itself says: nothing is sent for it then. It reads nothing else,
    and it accepts payloads of every version.
    It runs inside one transaction of its own context, writes only there and calls nothing outside; what needs the
    outside leaves a row that is due. Its name is part of the protocol: renaming it orphans its pending deliveries.
    """

    def register(handler: Handler) -> Handler:
        context = handler.__module__.partition(".")[0]
        subscriber = Subscriber(
            name=f"{context}.{handler.__name__}", context=context, handler=handler, wants=wants, many=many
        )
        if subscriber.name in _subscribers:
            raise TypeError(f"two handlers are named {subscriber.name}")
        _subscribers[subscriber.name] = subscriber
        for event in events:
            _by_event[event.type].append(subscriber)
        return handler

    return register


def subscriber_named(name: str) -> Subscriber:
    """Return a subscriber. Raises: KeyError where this release has none of that name."""
    return _subscribers[name]


def hearers_of(event_type: str, data: Mapping[str, Any]) -> Sequence[Subscriber]:
    """Return who hears the fact of this type and payload, in the order of registration."""
    return [subscriber for subscriber in _by_event.get(event_type, ()) if subscriber.hears(data)]


def heard(event: Event) -> bool:
    """Return whether anybody in the shop hears this fact."""
    subscribers = _by_event.get(event.type, ())
    if any(subscriber.wants is None for subscriber in subscribers):
        return True
    return bool(subscribers) and bool(hearers_of(event.type, event.payload()))


def all_subscriptions() -> dict[str, tuple[Subscriber, ...]]:
    """Return every event type with its subscribers (for tests, documents and the admin)."""
    return {event_type: tuple(subscribers) for event_type, subscribers in _by_event.items()}
