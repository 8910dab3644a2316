"""Who hears what, and by which transport: `subscribe` in a context's handlers.py is the whole of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, TypeVar

from django.conf import settings
from django.utils.module_loading import import_string

from shop.events.event import Envelope, Event
from shop.events.inbox import deliver

Handler = TypeVar("Handler", bound=Callable[..., None])


@dataclass(frozen=True)
class Subscriber:
    """One reaction of one context: it has its own message, its own inbox rows and its own dead letters."""

    name: str
    context: str
    handler: Callable[[Any], None]


_subscribers: dict[str, Subscriber] = {}
_by_event: defaultdict[str, list[Subscriber]] = defaultdict(list)


def subscribe(*events: type[Event]) -> Callable[[Handler], Handler]:
    """Register the decorated function `handler(event)` of a context's handlers.py for these facts.

    It runs inside one transaction of its own context, writes only there and calls nothing outside; what needs the
    outside leaves a row that is due. Its name is part of the protocol: renaming it orphans its pending deliveries.
    """

    def register(handler: Handler) -> Handler:
        context = handler.__module__.partition(".")[0]
        subscriber = Subscriber(name=f"{context}.{handler.__name__}", context=context, handler=handler)
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


def subscribers_of(event_type: str) -> Sequence[Subscriber]:
    """Return who hears events of this type, in the order of registration."""
    return tuple(_by_event.get(event_type, ()))


def all_subscriptions() -> dict[str, tuple[Subscriber, ...]]:
    """Return every event type with its subscribers (for tests, documents and the admin)."""
    return {event_type: tuple(subscribers) for event_type, subscribers in _by_event.items()}


class TransportUnavailable(Exception):
    """The broker cannot be reached or does not answer: nothing of the batch counts as sent, all of it is tried again."""


class Transport(Protocol):
    """Carries envelopes to their subscribers."""

    def send(self, envelopes: Sequence[Envelope]) -> Sequence[str]:
        """Carry each envelope to all its subscribers; return one error text per envelope, "" where it arrived.

        Raises: TransportUnavailable where no answer tells what arrived.
        """
        ...


class InlineTransport:
    """Deliver in this process, without a broker. Failed deliveries wait in the inbox like any other."""

    def send(self, envelopes: Sequence[Envelope]) -> Sequence[str]:
        """Run every subscriber of every envelope, one after the other."""
        for envelope in envelopes:
            for subscriber in subscribers_of(envelope.type):
                deliver(subscriber=subscriber.name, attributes=envelope.to_json())
        return [""] * len(envelopes)


@cache
def transport() -> Transport:
    """Return the transport that the settings name."""
    made: Transport = import_string(settings.EVENTS_TRANSPORT)()
    return made
