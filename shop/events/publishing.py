"""Publishing: a fact is written to the outbox, and the relay looks there as soon as the transaction is durable."""

from __future__ import annotations

import uuid

from shop import transactions
from shop.events import outbox, relay, subscribers
from shop.events.event import Event


def publish(event: Event, *, aggregate_id: uuid.UUID, aggregate_version: int) -> None:
    """Write a fact to the outbox of the context that defines it, in that context's open transaction.

    Write it while the aggregate's row is locked: the order of an aggregate's facts is the order of their row ids.
    Raises: TransactionMisuse outside a transaction of that context.
    """
    outbox.write(event, aggregate_id=aggregate_id, aggregate_version=aggregate_version)
    announce(event)


def announce(event: Event) -> None:
    """Have the relay look at the outbox once the open transaction, which wrote this fact, is durable."""
    context, heard = event.context(), subscribers.heard(event)
    transactions.after_commit(context, lambda: relay.wake(context, heard=heard))
