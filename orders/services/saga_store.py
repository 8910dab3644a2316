"""The sagas' own rows: when each is looked at next, what it waits for, the log of its steps. No status moves here."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db.models import F, JSONField, Value
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now

from orders.models import GOING_BACK, Order, Saga
from shop import transactions
from shop.clock import database_now
from shop.events import outbox
from shop.statements import Statement
from shop.work.background import wake
from shop.work.rows import DueRows, key_itself

log = structlog.get_logger(__name__)

# What a saga waits for that has failed.
RETRY = "retry"
RESUME_SWEEP = "orders.resume_sagas"
_HURRY_SAGAS = Statement("orders", "hurry_sagas")
# The sagas that are due; what a worker gets of one is its order's id. A walk that comes to no end, since our database
# fails, its time is over or its worker dies, notes nothing: only `walked_since`, which the claim writes, tells of it.
DUE_SAGAS: DueRows[uuid.UUID] = DueRows(
    model=Saga,
    lease_seconds=lambda: settings.SAGA_LEASE_SECONDS,
    read=key_itself,
    columns=("order_id",),
    trace=outbox.trace_sql(Saga, "due.order_id"),
    also=", walked_since = coalesce(claimed.walked_since, now())",
)


def lease() -> timedelta:
    """Return for how long the sweep leaves a saga alone that somebody walks."""
    return timedelta(seconds=settings.SAGA_LEASE_SECONDS)


def hurry_sagas(*, order_ids: Sequence[uuid.UUID]) -> None:
    """Make the waiting sagas of these orders due now, in the caller's transaction; one that runs is left alone."""
    if _HURRY_SAGAS.run(order_ids=list(order_ids)):
        wake(RESUME_SWEEP, context="orders")


def suspend_saga(
    *,
    order_id: uuid.UUID,
    saga: str,
    waiting_for: str,
    look_again_seconds: float,
    payment_method: str,
    standing: Sequence[str],
    steps: list[dict[str, Any]],
    until_deadline: bool = True,
) -> None:
    """Let a saga rest until somebody outside acts; it looks again after a while, and `until_deadline` at the order's.

    `payment_method` and `standing` (the statuses that the row may have): what the walk has seen. Where the order was
    given another one meanwhile, or moved, it is looked at at once: whoever did that may have died.
    """
    with transactions.transaction("orders"):
        row = _open_saga(order_id, saga)
        if row is None:
            return
        pay_before, given, status = Order.objects.values_list("pay_before", "payment_method", "status").get(pk=order_id)
        unchanged = given == payment_method and status in standing
        present = database_now(alias=transactions.alias_for("orders"))
        # A deadline that passed during the walk is looked at in the next one, at once.
        look_again_at = present + timedelta(seconds=look_again_seconds if unchanged else 0)
        deadline = max(pay_before, present) + timedelta(milliseconds=1)
        Saga.objects.filter(pk=row.pk, finished_at=None).update(
            due_at=min(look_again_at, deadline) if until_deadline else look_again_at,
            waiting_for=waiting_for,
            attempts=0,
            last_error="",
            parked_at=None,
            walked_since=None,
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
            waiting_for=RETRY,
            walked_since=None,
            parked_at=Now() if newly_parked else row.parked_at,
            log=(row.log + steps)[-200:],
        )
    if newly_parked:
        log.error("saga.parked", order_id=str(order_id), saga=saga, attempts=attempts, error=error[-500:])


def saga_attempts(*, order_id: uuid.UUID, saga: str) -> int:
    """Return how often the open saga of this name has failed in a row."""
    return Saga.objects.filter(order_id=order_id, name=saga).values_list("attempts", flat=True).first() or 0


def rests_on_the_way_back(*, order_id: uuid.UUID, after: str) -> bool:
    """Return whether an order is being canceled and its saga, whose last step failed by the Fault of code `after`, rests."""
    returning = Order.objects.filter(pk=order_id, status__in=GOING_BACK)
    resting = Saga.objects.filter(finished_at=None, waiting_for=RETRY, due_at__gt=Now(), **{"log__-1__outcome": after})
    return resting.filter(order_id__in=returning.values("pk")).exists()


def resume_saga_now(*, order_id: uuid.UUID) -> bool:
    """Take an unfinished saga of an order for the caller, who walks it right after this; False where none is unfinished.

    A parked one is parked no more. The sweep leaves it alone for a lease, so that it is not walked twice at once.
    """
    with transactions.transaction("orders"):
        open_sagas = Saga.objects.filter(order_id=order_id, finished_at=None)
        return bool(open_sagas.update(due_at=Now() + lease(), parked_at=None))


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
