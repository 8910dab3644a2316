"""Who hears what, and by which transport: `subscribe` in a context's handlers.py is the whole of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, TypeVar

from django.conf import settings
from django.utils.module_loading import import_string

from shop.events.batches import Delivery, deliver_batch
from shop.events.event import Envelope, Event
from shop.events.inbox import deliver

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
        """Run every subscriber of every envelope, the deliveries of one context in batches."""
        by_context: defaultdict[str, list[Delivery]] = defaultdict(list)
        for envelope in envelopes:
            for subscriber in hearers_of(envelope.type, envelope.data):
                by_context[subscriber.context].append((subscriber.name, envelope.to_json()))
        for deliveries in by_context.values():
            for start in range(0, len(deliveries), settings.EVENTS_DELIVERIES_PER_MESSAGE):
                _deliver(deliveries[start : start + settings.EVENTS_DELIVERIES_PER_MESSAGE])
        return [""] * len(envelopes)


def _deliver(deliveries: Sequence[Delivery]) -> None:
    if len(deliveries) == 1:
        deliver(subscriber=deliveries[0][0], attributes=deliveries[0][1])
    else:
        deliver_batch(deliveries=deliveries)


@cache
def transport() -> Transport:
    """Return the transport that the settings name."""
    made: Transport = import_string(settings.EVENTS_TRANSPORT)()
    return made
