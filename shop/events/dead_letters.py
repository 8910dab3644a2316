"""Dead letters: deliveries that need a human. Read them, replay them to their one subscriber, or discard them.

They are inbox rows, so they outlast the broker. `collect` brings in what only the broker's dead queues hold: messages
that no worker could decode or record.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, DataError, InterfaceError
from django.db.models.functions import Now
from kombu import Connection

from shop import topology, transactions
from shop.errors import NotFound, Refusal
from shop.events.batches import Delivery, set_aside
from shop.events.broker import connect
from shop.events.event import Envelope, UnreadableEvent
from shop.events.inbox import DeliveryStatus, InboxEntry, bury, hearing_contexts, inbox_of, is_storable
from shop.events.messages import DELIVER_BATCH_TASK
from shop.events.subscribers import subscriber_named
from shop.work.background import wake

log = structlog.get_logger(__name__)

# What is kept of a message that nobody can read, in characters: PostgreSQL takes no text of any length.
KEPT_LENGTH = 4 * 1024 * 1024
# So many messages of a queue are passed over that cannot be recorded; the cause is then not theirs.
PASSED_OVER = 100


class DeadLetterUnreadable(Refusal):
    """The letter names no subscriber or event of this release: it can only be discarded."""

    code = "dead_letter_unreadable"
    title = "This dead letter cannot be replayed by this release; discard it or deploy a release that knows it"


def dead_letters(context: str | None = None) -> Iterator[InboxEntry]:
    """Yield the dead letters of one context, or of all, oldest first."""
    for name in [context] if context else hearing_contexts():
        model = inbox_of(name)
        yield from (
            model._default_manager.using(transactions.alias_for(name)).filter(status=DeliveryStatus.DEAD).order_by("id")
        )


def replay(*, context: str, entry_id: int, staff: str) -> None:
    """Give a dead letter to its subscriber again, now, with fresh attempts.

    Raises: NotFound, DeadLetterUnreadable.
    """
    model, alias = inbox_of(context), transactions.alias_for(context)
    entry = _entry(context, entry_id)
    try:
        Envelope.from_json(entry.envelope or {}).event()
        subscriber_named(entry.subscriber)
    except (UnreadableEvent, KeyError) as error:
        raise DeadLetterUnreadable(error=str(error)) from error
    with transactions.transaction(context):
        moved = (
            model._default_manager.using(alias)
            .filter(pk=entry_id, status=DeliveryStatus.DEAD)
            .update(status=DeliveryStatus.RETRYING, attempts=0, due_at=Now(), decided_by=staff, decided_at=Now())
        )
        wake("shop.retry_deliveries", context=context)
    if moved:
        log.info("dead_letter.replayed", context=context, entry_id=entry_id, staff=staff)


def discard(*, context: str, entry_id: int, staff: str) -> None:
    """Set a dead letter aside for good; its payload and error stay for the record. Raises: NotFound."""
    model, alias = inbox_of(context), transactions.alias_for(context)
    _entry(context, entry_id)
    with transactions.transaction(context):
        moved = (
            model._default_manager.using(alias)
            .filter(pk=entry_id, status=DeliveryStatus.DEAD)
            .update(status=DeliveryStatus.DISCARDED, due_at=None, decided_by=staff, decided_at=Now())
        )
    if moved:
        log.info("dead_letter.discarded", context=context, entry_id=entry_id, staff=staff)


def _entry(context: str, entry_id: int) -> InboxEntry:
    model = inbox_of(context)
    entry = (
        model._default_manager.using(transactions.alias_for(context))
        .filter(pk=entry_id, status=DeliveryStatus.DEAD)
        .first()
    )
    if entry is None:
        raise NotFound(f"no dead letter {context} {entry_id}; `manage.py dead_letters` lists them")
    return entry


_kept: list[Connection] = []


def waiting() -> bool:
    """Return whether a dead queue of the broker holds a message; asked over a connection that is kept for the next time.

    For one thread. Raises: what a broker raises that is away.
    """
    try:
        if not _kept:
            _kept.append(connect())
            topology.declare(_kept[0].default_channel)
        channel: Any = _kept[0].default_channel
        return any(
            channel.queue_declare(topology.dead_queue(context).name, passive=True).message_count
            for context in topology.HEARING
        )
    except Exception:
        while _kept:
            _kept.pop().collect()
        raise


def collect() -> int:
    """Turn every message in the broker's dead queues into an inbox row; return how many there were.

    A message is acknowledged only once its row is committed. A readable delivery gets another round of attempts (the
    database was away when the worker tried); anything else becomes a dead letter as it stands.
    """
    collected = 0
    failures = []
    with connect() as connection:
        channel = connection.channel()
        topology.declare(channel)
        for context in topology.HEARING:
            try:
                collected += _collect_from(channel, context)
            except Exception as error:  # noqa: BLE001  raised below, once the other contexts had their turn
                failures.append(error)
    if failures:
        raise ExceptionGroup("dead letters stay in the broker until they can be recorded", failures)
    return collected


def _collect_from(channel: Any, context: str) -> int:
    """Record the messages of one dead queue. One that cannot be recorded stays there, and those behind it do not wait.

    Raises: what keeps the database from answering at once; in the end, all that kept single messages from being recorded.
    """
    collected = 0
    failures: list[Exception] = []
    # Not kombu's Queue.get: it raises on a message whose body it cannot unpack, again and again.
    while len(failures) < PASSED_OVER and (message := _next(channel, context)) is not None:
        try:
            _keep(context, message.body, message.headers or {})
        except (SoftTimeLimitExceeded, DatabaseError, InterfaceError):
            raise
        except Exception as error:
            log.exception("dead_letter.not_recorded", context=context)
            failures.append(error)
            continue
        channel.basic_ack(message.delivery_info["delivery_tag"])
        collected += 1
    if failures:
        raise ExceptionGroup(f"messages of {context} could not be recorded", failures)
    return collected


def _next(channel: Any, context: str) -> Any:
    return channel.basic_get(topology.dead_queue(context).name, no_ack=False)


def _keep(context: str, body: str | bytes, headers: dict[str, Any]) -> None:
    """Have a message's deliveries tried again, or make a dead letter of it: whatever it holds, it leaves the queue.

    Raises: SoftTimeLimitExceeded, and what keeps the database from recording it.
    """
    deaths = _deaths(headers)
    text = body if isinstance(body, str) else bytes(body).decode("utf-8", "backslashreplace")
    text = text.replace("\0", "\\x00")
    try:
        set_aside(deliveries=_deliveries_in(text), reason=f"a worker gave this message back: {deaths}")
    except DataError as error:
        _bury(context, text, headers, error)
    except (SoftTimeLimitExceeded, DatabaseError, InterfaceError):
        raise
    except Exception as error:  # noqa: BLE001  a message can be wrong in any way, such as nested too deeply
        _bury(context, text, headers, error)


def _bury(context: str, text: str, headers: dict[str, Any], error: Exception) -> None:
    task = headers.get("task")
    bury(
        context=context,
        subscriber=_unreadable(context),
        attributes={
            "raw": text[:KEPT_LENGTH],
            "task": None if task is None else str(task),
            "x-death": _deaths(headers),
        },
        error=f"a worker rejected this message: {error!r}"[:KEPT_LENGTH],
    )


def _deaths(headers: dict[str, Any]) -> list[dict[str, Any]]:
    """Return which queues a message died in, and why; anybody may have written this header."""
    deaths = headers.get("x-death")
    return [
        {"queue": str(death.get("queue")), "reason": str(death.get("reason")), "count": str(death.get("count"))}
        for death in (deaths if isinstance(deaths, list) else [])
        if isinstance(death, dict)
    ]


def read_again() -> int:
    """Give the deliveries in buried messages of many to their subscribers, now; return how many messages there were.

    A worker of the release before knows no such message: it rejects it, and buries what it cannot read. Nobody has to
    decide about that: this release can read it.
    """
    return sum(_read_again(context) for context in hearing_contexts())


def _read_again(context: str) -> int:
    rows = inbox_of(context)._default_manager.using(transactions.alias_for(context))
    buried = rows.filter(
        status=DeliveryStatus.DEAD, subscriber=_unreadable(context), envelope__task=DELIVER_BATCH_TASK
    ).order_by("id")
    found = 0
    for letter in buried:
        try:
            deliveries = _deliveries_in((letter.envelope or {})["raw"])
        except SoftTimeLimitExceeded:
            raise
        except Exception as error:  # noqa: BLE001  it stays what it is: a letter that nobody can read
            log.debug("dead_letter.still_unreadable", context=context, entry_id=letter.pk, error=repr(error))
            continue
        # In this order: after a death in between the deliveries have their rows, and are not given twice.
        set_aside(deliveries=deliveries, reason="a worker of another release buried its message")
        with transactions.transaction(context):
            found += rows.filter(pk=letter.pk, status=DeliveryStatus.DEAD).update(
                status=DeliveryStatus.DISCARDED, decided_by="read by a later release", decided_at=Now()
            )
        log.info("dead_letter.read_again", context=context, entry_id=letter.pk, deliveries=len(deliveries))
    return found


def _unreadable(context: str) -> str:
    """Return the name under which messages are buried that name no subscriber, or none of this release."""
    return f"{context}.unreadable"


def _deliveries_in(text: str) -> list[Delivery]:
    """Return the deliveries in a Celery message's body.

    Raises: an Exception of any class where one of them is not a delivery of this release, or the text is not JSON.
    """
    _arguments, keywords, _options = json.loads(text)
    if not is_storable(keywords):
        raise ValueError("PostgreSQL cannot hold it")
    if "deliveries" in keywords:
        deliveries = [(subscriber, attributes) for subscriber, attributes in keywords["deliveries"]]
    else:
        deliveries = [(keywords["subscriber"], keywords["attributes"])]
    for subscriber, attributes in deliveries:
        Envelope.from_json(attributes)
        subscriber_named(subscriber)
    return deliveries
