"""What tells one suspended state from another, and which of them the tables say there are."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any, cast

from django.apps import apps
from django.db.models import Model

from orders.models import Saga
from orders.sagas.checkout import SAGAS
from payments.models import StrayIntent, WebhookEvent
from shop.events.inbox import InboxEntry
from shop.events.outbox import OutboxMessage
from shop.states import StatusModel
from tests.driver.provider import Provider
from tests.driver.tables import context_models


def shape_of(sandbox: Provider, order_id: uuid.UUID) -> str:
    """Return how everything of the one order stands, without who and when."""
    return str([*_rows_in_words(), *_money_at_the_provider(sandbox, order_id)])


def _rows_in_words() -> Iterator[str]:
    for model in context_models():
        rows: Any = model._default_manager.all()
        if issubclass(model, StatusModel):
            waits = any(field.name == "due_at" for field in model._meta.fields)
            yield from sorted(f"{_name(model)} {row.status} {waits and row.due_at is not None}" for row in rows)
        elif issubclass(model, OutboxMessage):
            yield f"{_name(model)} {sorted({row.type for row in rows if row.published_at is None})}"
        elif issubclass(model, InboxEntry):
            yield from sorted(f"{row.subscriber} {row.status}" for row in rows if row.status != "PROCESSED")
    yield from sorted(
        f"{row.name} {row.waiting_for} {row.parked_at is None}" for row in Saga.objects.filter(finished_at=None)
    )
    yield f"webhooks {WebhookEvent.objects.filter(applied_at=None).exists()}"
    yield f"strays {StrayIntent.objects.filter(settled_at=None).exists()}"


def _money_at_the_provider(sandbox: Provider, order_id: uuid.UUID) -> Iterator[str]:
    for line in sandbox.ledger(order_id):
        yield f"provider {line['status']} {line['captures']} {line['net']} {line['held']}"


def states_there_are() -> set[str]:
    """Return every state in which something waits: from the status tables, the sagas' stages, the inbox."""
    found = {
        f"{_name(model)} {status}"
        for model in apps.get_models()
        if issubclass(model, StatusModel)
        for status, onwards in model.TRANSITIONS.items()
        if onwards
    }
    for saga in SAGAS:
        found |= {
            f"{saga.name} at {status}" for status in {*saga.stages(), *([saga.unwinding] if saga.unwinding else [])}
        }
    found |= {f"saga waits for {whom}" for whom in ("customer", "payment_method", "retry")}
    return found | {
        "a saga is parked",
        "a webhook is not applied",
        "a stray intent is not settled",
        "a delivery is RETRYING",
        "a delivery is DEAD",
        "an event is not published",
        "an event is quarantined",
    }


def states_seen() -> set[str]:
    """Return in which of them something waits now."""
    found = {
        f"{_name(model)} {row.status}"
        for model in apps.get_models()
        if issubclass(model, StatusModel)
        for row in cast("Any", model._default_manager).all()
    }
    for row in Saga.objects.filter(finished_at=None).select_related("order"):
        found |= {f"{row.name} at {row.order.status}", f"saga waits for {row.waiting_for}"}
        found |= {"a saga is parked"} if row.parked_at else set()
    found |= {"a webhook is not applied"} if WebhookEvent.objects.filter(applied_at=None).exists() else set()
    found |= {"a stray intent is not settled"} if StrayIntent.objects.filter(settled_at=None).exists() else set()
    for model in apps.get_models():
        rows: Any = model._default_manager
        if issubclass(model, InboxEntry):
            found |= {f"a delivery is {row.status}" for row in rows.all()}
        elif issubclass(model, OutboxMessage):
            found |= {"an event is not published"} if rows.filter(published_at=None).exists() else set()
            found |= {"an event is quarantined"} if rows.exclude(quarantined_at=None).exists() else set()
    return found


def _name(model: type[Model]) -> str:
    return str(model._meta.verbose_name)
