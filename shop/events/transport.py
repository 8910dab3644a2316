"""The transport that carries facts to their subscribers: RabbitMQ (broker.py), or this process, where no broker is configured."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache

from django.conf import settings
from django.utils.module_loading import import_string

from shop.events.batches import Delivery, deliver_batch
from shop.events.event import Envelope
from shop.events.inbox import deliver
from shop.events.port import Transport
from shop.events.subscribers import hearers_of


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
