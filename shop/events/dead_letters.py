"""Dead letters: deliveries that need a human. Read them, replay them to their one subscriber, or discard them.

They are inbox rows, so they outlast the broker. `collect` brings in what only the broker's dead queues hold: messages
that no worker could decode or record.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import structlog
from django.apps import apps
from django.db.models.functions import Now

from shop import transactions
from shop.background import wake
from shop.errors import NotFound, Refusal
from shop.events import topology
from shop.events.broker import connect
from shop.events.bus import subscriber_named
from shop.events.event import Envelope, UnreadableEvent
from shop.events.inbox import DeliveryStatus, InboxEntry, bury, inbox_of, is_storable

log = structlog.get_logger(__name__)


class DeadLetterUnreadable(Refusal):
    """The letter names no subscriber or event of this release: it can only be discarded."""

    code = "dead_letter_unreadable"
    title = "This dead letter cannot be replayed by this release; discard it or deploy a release that knows it"


def hearing_contexts() -> list[str]:
    """Return the contexts that have an inbox."""
    return sorted(model._meta.app_label for model in apps.get_models() if issubclass(model, InboxEntry))


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
    collected = 0
    # Not kombu's Queue.get: it raises on a message whose body it cannot unpack, again and again.
    while (message := channel.basic_get(topology.dead_queue(context).name, no_ack=False)) is not None:
        _keep(context, message.body, message.headers or {})
        channel.basic_ack(message.delivery_info["delivery_tag"])
        collected += 1
    return collected


def _keep(context: str, body: str | bytes, headers: dict[str, Any]) -> None:
    deaths = [
        {"queue": death.get("queue"), "reason": death.get("reason"), "count": death.get("count")}
        for death in headers.get("x-death", [])
    ]
    text = body if isinstance(body, str) else bytes(body).decode("utf-8", "backslashreplace")
    text = text.replace("\0", "\\x00")
    try:
        subscriber, attributes = _delivery_in(text)
        envelope = Envelope.from_json(attributes)
        subscriber_named(subscriber)
    except (ValueError, TypeError, KeyError, UnreadableEvent) as error:
        bury(
            context=context,
            subscriber=f"{context}.unreadable",
            attributes={"raw": text, "task": headers.get("task"), "x-death": deaths},
            error=f"a worker rejected this message: {error!r}",
        )
        return
    model = inbox_of(context)
    with transactions.transaction(context):
        model._default_manager.using(transactions.alias_for(context)).get_or_create(
            subscriber=subscriber,
            event_id=envelope.event_id,
            defaults={
                "event_type": envelope.type,
                "status": DeliveryStatus.RETRYING,
                "due_at": Now(),
                "envelope": attributes,
                "error": f"a worker gave this message back: {deaths}",
            },
        )


def _delivery_in(text: str) -> tuple[str, dict[str, Any]]:
    """Return the arguments of `deliver` in a Celery message's body. Raises: ValueError, TypeError, KeyError."""
    _arguments, keywords, _options = json.loads(text)
    if not is_storable(keywords):
        raise ValueError("PostgreSQL cannot hold it")
    return keywords["subscriber"], keywords["attributes"]
