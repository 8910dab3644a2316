"""Many deliveries in one transaction of their context: what a message of many holds, and the inline transport's.

Where one fails, the batch is taken apart: its neighbors pass, and it alone is retried.

Note [A batch that was delivered before]
It may hold what killed the worker. Applied as a batch again, it would take its neighbors down up to ten times. So its
deliveries become RETRYING rows, due now, and each has a transaction of its own.

Note [Order in a batch]
Events of one aggregate are handled in the order of the message. Aggregates are taken in the order of their ids, and the
inbox rows in the order of their keys, so that two batches that overlap wait for each other and do not deadlock.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
import structlog
from celery.exceptions import SoftTimeLimitExceeded

from shop import transactions
from shop.actors import acting
from shop.events import heard, inbox
from shop.events.event import Envelope, Event, UnreadableEvent, order_of
from shop.events.outbox import gathered
from shop.events.subscribers import Many, Subscriber, subscriber_named
from shop.observability.lines import one_line
from shop.observability.tracing import continued_span, each_in_its_trace, linked_span
from shop.statements import Statement
from shop.work.background import wake

log = structlog.get_logger(__name__)

# A batch taken apart gets no further than this; what is left has a turn of its own, so no hard time limit strikes.
APART_SECONDS = 20.0

Delivery = tuple[str, dict[str, Any]]
Key = tuple[str, uuid.UUID]


@dataclass(frozen=True, slots=True)
class _Turn:
    """One event at one subscriber, read and not applied yet."""

    delivery: Delivery
    target: Subscriber
    envelope: Envelope
    event: Event

    @property
    def key(self) -> Key:
        return self.target.name, self.envelope.event_id


def deliver_batch(*, deliveries: Sequence[Delivery]) -> None:
    """Apply events at subscribers of one context in one transaction; where that fails, each in one of its own.

    Safe to call again and at once from two places, as `inbox.deliver`, which keeps the outcome of what fails.
    Raises: only what keeps the outcome from being recorded (the database is down).
    """
    by_context: defaultdict[str, dict[Key, _Turn]] = defaultdict(dict)
    for delivery in deliveries:
        if (turn := _read(delivery)) is not None:
            by_context[turn.target.context].setdefault(turn.key, turn)
    for context, turns in by_context.items():
        _deliver_turns(context, turns)


def set_aside(*, deliveries: Sequence[Delivery], reason: str) -> None:
    """Leave a row for each delivery that has no row yet: to be tried alone, at once. See Note [A batch that was delivered before]."""
    by_context: defaultdict[str, list[_Turn]] = defaultdict(list)
    for delivery in deliveries:
        if (turn := _read(delivery)) is None:
            continue
        if inbox.is_storable(delivery[1]):
            by_context[turn.target.context].append(turn)
        else:
            inbox.deliver(subscriber=delivery[0], attributes=delivery[1])
    for context, turns in by_context.items():
        rows = {turn.key: [*map(str, turn.key), turn.envelope.type, turn.delivery[1]] for turn in turns}
        with transactions.transaction(context):
            _retries(context).run(rows=_text([rows[key] for key in sorted(rows)]), reason=reason)
            wake("shop.retry_deliveries", context=context)
        log.warning("event.batch_set_aside", context=context, deliveries=len(rows), reason=reason)


def _read(delivery: Delivery) -> _Turn | None:
    """Return what is to be done about a delivery; None for one that this release cannot read, which is buried."""
    subscriber, attributes = delivery
    try:
        envelope = Envelope.from_json(attributes)
        return _Turn(delivery, subscriber_named(subscriber), envelope, envelope.event())
    except (UnreadableEvent, KeyError):
        inbox.deliver(subscriber=subscriber, attributes=attributes)
        return None


def _deliver_turns(context: str, turns: Mapping[Key, _Turn]) -> None:
    try:
        with (
            one_line("events.handled", undone_by_errors=True, context=context),
            transactions.transaction(context),
            gathered(context),
        ):
            fresh = _claim(context, turns)
            _handle([turn for turn in turns.values() if turn.key in fresh])
    except SoftTimeLimitExceeded:
        # No time is left to find out whose fault it was.
        set_aside(deliveries=[turn.delivery for turn in turns.values()], reason="its batch ran out of time")
    except Exception as error:  # noqa: BLE001  found again, and kept, by the delivery whose fault it is
        log.warning("event.batch_split", context=context, deliveries=len(turns), error=repr(error))
        _deliver_apart([turn.delivery for turn in turns.values()])
    else:
        for key in fresh:
            heard.note(context, turns[key].envelope.occurred_at)


def _deliver_apart(deliveries: Sequence[Delivery]) -> None:
    """Apply each delivery in a transaction of its own; set aside those for which no time is left."""
    deadline = time.monotonic() + APART_SECONDS
    for number, (subscriber, attributes) in enumerate(deliveries):
        if time.monotonic() > deadline:
            set_aside(deliveries=deliveries[number:], reason="its batch was taken apart, and ran out of time")
            return
        try:
            inbox.deliver(subscriber=subscriber, attributes=attributes)
        except SoftTimeLimitExceeded:
            set_aside(deliveries=deliveries[number + 1 :], reason="its batch was taken apart, and ran out of time")
            raise


def _handle(turns: Sequence[_Turn]) -> None:
    """Have the handlers apply these events: in order within an aggregate, and many at once where a handler can."""
    ordered = sorted(turns, key=lambda turn: turn.envelope.aggregate_id)
    for together in _rounds(ordered):
        for target, mine in together:
            if target.many is not None and len(mine) > 1:
                _handle_many(target.name, target.many, mine)
            else:
                _handle_each(mine)


def _rounds(turns: Sequence[_Turn]) -> Iterator[list[tuple[Subscriber, list[_Turn]]]]:
    """Yield the first turn of every aggregate, then the second of every one, and so on, by subscriber."""
    seen: Counter[uuid.UUID] = Counter()
    rounds: defaultdict[int, defaultdict[str, list[_Turn]]] = defaultdict(lambda: defaultdict(list))
    for turn in turns:
        rounds[seen[turn.envelope.aggregate_id]][turn.target.name].append(turn)
        seen[turn.envelope.aggregate_id] += 1
    for number in sorted(rounds):
        yield [(mine[0].target, mine) for mine in rounds[number].values()]


def _handle_each(turns: Sequence[_Turn]) -> None:
    for turn in turns:
        names = {"subscriber": turn.target.name, "event_id": str(turn.envelope.event_id)}
        names["event_type"] = turn.envelope.type
        with (
            structlog.contextvars.bound_contextvars(**names),
            continued_span(f"handle {turn.target.name}", turn.envelope.traceparent, **names, **order_of(turn.event)),
            acting(f"subscriber {turn.target.name}"),
        ):
            turn.target.handler(turn.event)


def _handle_many(name: str, many: Many, turns: Sequence[_Turn]) -> None:
    traces = [turn.envelope.traceparent for turn in turns]
    with (
        structlog.contextvars.bound_contextvars(subscriber=name),
        linked_span(f"handle {name}", traces, subscriber=name),
        acting(f"subscriber {name}"),
        each_in_its_trace(
            {
                getattr(turn.event, "order_id", None): turn.envelope.traceparent
                for turn in turns
                if turn.envelope.traceparent
            }
        ),
    ):
        many([turn.event for turn in turns])


def _claim(context: str, turns: Mapping[Key, _Turn]) -> set[Key]:
    """Write the PROCESSED rows of a batch; return those that were not processed, dead or discarded already."""
    keys = [[*map(str, key), turns[key].envelope.type] for key in sorted(turns)]
    return set(_claims(context).run(keys=_text(keys)))


@cache
def _claims(context: str) -> Statement:
    table = inbox.inbox_of(context)._meta.db_table
    return Statement(
        context,
        "claim_deliveries",
        text=f"INSERT INTO {table} AS inbox (subscriber, event_id, event_type, status, attempts, error, decided_by)"
        " SELECT key->>0, (key->>1)::uuid, key->>2, 'PROCESSED', 1, '', ''"
        " FROM jsonb_array_elements(%(keys)s::jsonb) WITH ORDINALITY AS told (key, place) ORDER BY place"
        " ON CONFLICT (subscriber, event_id) DO UPDATE SET status = 'PROCESSED', due_at = NULL,"
        " attempts = inbox.attempts + 1, envelope = NULL WHERE inbox.status = 'RETRYING'"
        " RETURNING subscriber, event_id",
    )


@cache
def _retries(context: str) -> Statement:
    table = inbox.inbox_of(context)._meta.db_table
    return Statement(
        context,
        "set_deliveries_aside",
        text=f"INSERT INTO {table} (subscriber, event_id, event_type, status, attempts, due_at, envelope, error, decided_by)"
        " SELECT told->>0, (told->>1)::uuid, told->>2, 'RETRYING', 0, now(), told->3, %(reason)s, ''"
        " FROM jsonb_array_elements(%(rows)s::jsonb) WITH ORDINALITY AS rows (told, place) ORDER BY place"
        " ON CONFLICT (subscriber, event_id) DO NOTHING",
    )


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()
