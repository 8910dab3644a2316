"""Deliveries in hand, and a database that goes back to the moment at which they were held back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from django.core import mail
from django.db import connections, models, router

from shop.events import batches, inbox, relay, subscribers
from shop.events.event import Envelope
from tests.driver.orders import make_due
from tests.driver.provider import in_threads
from tests.driver.tables import context_models, rows_of

# What tells when, how far the aggregate was then, by which attempt and by whom, and how often the provider was asked: no part of
# what a handler brought about.
INCIDENTAL = {
    "actor", "aggregate_version", "answers", "attempts", "claimed_until", "due_at", "last_error", "log", "published_at",
    "request_id", "traceparent",
}  # fmt: skip
UUIDS = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
BOOKING = re.compile(r"SBX-?\d+")
Delivery = tuple[str, dict[str, Any]]


class Bus:
    """The transport of the relay: delivers at once, or holds everything back for the test to deliver."""

    def __init__(self) -> None:
        self.holds = False
        self.held: list[Delivery] = []

    def send(self, envelopes: Sequence[Envelope]) -> Sequence[str]:
        for envelope in envelopes:
            for subscriber in subscribers.hearers_of(envelope.type, envelope.data):
                delivery = (subscriber.name, envelope.to_json())
                if self.holds:
                    self.held.append(delivery)
                else:
                    inbox.deliver(subscriber=delivery[0], attributes=delivery[1])
        return [""] * len(envelopes)

    def hold(self, *work: Callable[[], Any]) -> None:
        """Do the work and keep what it tells the others, undelivered."""
        self.holds = True
        for step in work:
            step()
        relay.drain_all()
        self.holds = False


class Moment:
    """The database as it stood when the deliveries were held back; each variant begins there."""

    def __init__(self, deliveries: Sequence[Delivery], settle: Callable[[], None]) -> None:
        self.deliveries = list(deliveries)
        self._settle = settle
        self._tables = {model: rows_of(model) for model in context_models()}
        self._known = set(UUIDS.findall(json.dumps(list(self._tables.values()))))

    def after(self, *rounds: Sequence[Delivery], at_once: bool = False, in_batch: bool = False) -> dict[str, list[str]]:
        """Go back, deliver each round and let everything settle after it; return the state that is reached."""
        self._restore()
        mail.outbox.clear()
        for deliveries in rounds:
            calls = [lambda each=each: inbox.deliver(subscriber=each[0], attributes=each[1]) for each in deliveries]
            if in_batch:
                calls = [lambda deliveries=deliveries: batches.deliver_batch(deliveries=list(deliveries))]
            outcomes = in_threads(*calls) if at_once else [call() for call in calls]
            assert [each for each in outcomes if isinstance(each, Exception)] == []
            make_due()
            self._settle()
        return self._state()

    def _restore(self) -> None:
        for alias in connections:
            mine = [model for model in self._tables if router.db_for_write(model) == alias]
            with connections[alias].cursor() as cursor:
                cursor.execute("SET session_replication_role = replica")
                for model in mine:
                    cursor.execute(f"DELETE FROM {model._meta.db_table}")
                    if self._tables[model] != "[]":
                        cursor.execute(
                            f"INSERT INTO {model._meta.db_table} SELECT * FROM"
                            f" json_populate_recordset(NULL::{model._meta.db_table}, %s::json)",
                            [self._tables[model]],
                        )
                cursor.execute("SET session_replication_role = DEFAULT")

    def _state(self) -> dict[str, list[str]]:
        found = {model._meta.db_table: sorted(self._told(model)) for model in self._tables}
        found["mail"] = sorted(f"{each.to} {each.subject}" for each in mail.outbox)
        return found

    def _told(self, model: type[models.Model]) -> list[str]:
        times = {field.column for field in model._meta.fields if isinstance(field, models.DateTimeField)}
        drawn = {field.column for field in model._meta.fields if isinstance(field, models.BigAutoField)}
        told = []
        for row in json.loads(rows_of(model)):
            kept = {
                name: (value is not None) if name in times else value
                for name, value in row.items()
                if name not in INCIDENTAL | drawn
            }
            text = json.dumps(kept, sort_keys=True)
            for drawn_anew in set(UUIDS.findall(text)) - self._known:
                text = text.replace(drawn_anew, "new")
            told.append(BOOKING.sub("a number", text))
        return told


def subscriptions() -> set[tuple[str, str]]:
    """Return (event type, subscriber) of every handler of the product, as the bus knows them, wherever it is written."""
    return {
        (event_type, subscriber.name)
        for event_type, heard_by in subscribers.all_subscriptions().items()
        for subscriber in heard_by
        if not subscriber.handler.__module__.startswith("tests.")
    }
