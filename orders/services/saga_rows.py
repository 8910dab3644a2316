"""The sagas' own rows: when each is looked at next, what it waits for, the log of its steps. No status moves here."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db.models import F, JSONField, Value
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now

from orders.models import Order, Saga
from shop import transactions
from shop.background import wake
from shop.clock import database_now

log = structlog.get_logger(__name__)

RESUME_SWEEP = "orders.resume_sagas"


def lease() -> timedelta:
    """Return for how long the sweep leaves a saga alone that somebody walks."""
    return timedelta(seconds=settings.SAGA_LEASE_SECONDS)


def hurry_saga(*, order_id: uuid.UUID) -> None:
    """Make the waiting saga of an order due now, in the caller's transaction; one that runs is left alone."""
    transactions.require("orders")
    waiting = Saga.objects.filter(order_id=order_id, finished_at=None).exclude(waiting_for="")
    if waiting.update(due_at=Now(), waiting_for=""):
        wake(RESUME_SWEEP, context="orders")


def suspend_saga(
    *, order_id: uuid.UUID, saga: str, waiting_for: str, look_again_seconds: float, steps: list[dict[str, Any]]
) -> None:
    """Let a saga rest until somebody outside acts; it looks again after a while, and at the payment deadline."""
    with transactions.transaction("orders"):
        row = _open_saga(order_id, saga)
        if row is None:
            return
        pay_before = Order.objects.values_list("pay_before", flat=True).get(pk=order_id)
        present = database_now(alias=transactions.alias_for("orders"))
        # A deadline that passed during the walk is looked at in the next one, at once.
        deadline = max(pay_before, present) + timedelta(milliseconds=1)
        Saga.objects.filter(pk=row.pk, finished_at=None).update(
            due_at=min(present + timedelta(seconds=look_again_seconds), deadline),
            waiting_for=waiting_for,
            attempts=0,
            last_error="",
            parked_at=None,
            log=(row.log + steps)[-200:],
        )


def postpone_saga(
    *,
    order_id: uuid.UUID,
    saga: str,
    error: str,
    attempts: int,
    parks: bool,
    steps: list[dict[str, Any]],
    wait_seconds: float,
) -> None:
    """Note failed attempt number `attempts` and when to try again; with `parks`, call for a human as well."""
    with transactions.transaction("orders"):
        row = _open_saga(order_id, saga)
        if row is None:
            return
        newly_parked = parks and row.parked_at is None
        Saga.objects.filter(pk=row.pk, finished_at=None).update(
            due_at=Now() + timedelta(seconds=wait_seconds),
            attempts=attempts,
            last_error=error[-4000:],
            waiting_for="retry",
            parked_at=Now() if newly_parked else row.parked_at,
            log=(row.log + steps)[-200:],
        )
    if newly_parked:
        log.error("saga.parked", order_id=str(order_id), saga=saga, attempts=attempts, error=error[-500:])


def saga_attempts(*, order_id: uuid.UUID, saga: str) -> int:
    """Return how often the open saga of this name has failed in a row."""
    return Saga.objects.filter(order_id=order_id, name=saga).values_list("attempts", flat=True).first() or 0


def claim_due_sagas(*, limit: int) -> list[uuid.UUID]:
    """Claim sagas whose moment has come and return the ids of their orders."""
    claimed = Saga.claim_due(limit=limit, lease_seconds=settings.SAGA_LEASE_SECONDS)
    return list(Saga.objects.filter(pk__in=claimed).values_list("order_id", flat=True))


def resume_saga_now(*, order_id: uuid.UUID) -> bool:
    """Make an unfinished saga of an order due at once (staff asks); False where none is unfinished."""
    with transactions.transaction("orders"):
        resumed = Saga.objects.filter(order_id=order_id, finished_at=None).update(due_at=Now(), parked_at=None)
        wake(RESUME_SWEEP, context="orders")
    return bool(resumed)


def _open_saga(order_id: uuid.UUID, saga: str) -> Saga | None:
    return Saga.objects.select_for_update().filter(order_id=order_id, name=saga, finished_at=None).first()


def close_saga(order_id: uuid.UUID, saga: str, steps: list[dict[str, Any]]) -> None:
    """Close a saga in one statement; the order's row is locked, and only the one who moved it comes here."""
    Saga.objects.filter(order_id=order_id, name=saga, finished_at=None).update(
        finished_at=Now(),
        due_at=None,
        waiting_for="",
        parked_at=None,
        last_error="",
        log=CombinedExpression(F("log"), "||", Value(steps, output_field=JSONField())),
    )
