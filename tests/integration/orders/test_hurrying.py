"""Orders that wait are hurried by what others tell: many facts of a batch at the price of one."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta

from django.db.models.functions import Now

from inventory.events import StockExpired
from inventory.models import Outbox
from orders.models import Saga
from shop import transactions
from shop.clock import now
from shop.events.batches import deliver_batch
from shop.events.publishing import publish
from tests.driver.orders import placed
from tests.sql_guard import SqlGuard

HEARER = "orders.resume_waiting_order"


def expired(order_ids: Sequence[uuid.UUID]) -> list[tuple[str, dict]]:
    """Return the deliveries of the facts that these orders' holds have expired."""
    with transactions.transaction("inventory"):
        for order_id in order_ids:
            publish(StockExpired(order_id=order_id, lines=()), aggregate_id=order_id, aggregate_version=2)
    rows = Outbox.objects.filter(type=StockExpired.type).order_by("id")
    return [(HEARER, row.envelope().to_json()) for row in rows]


def make_wait(*order_ids: uuid.UUID) -> None:
    Saga.objects.filter(order_id__in=order_ids).update(waiting_for="the customer", due_at=Now() + timedelta(hours=1))


def is_hurried(order_id: uuid.UUID) -> bool:
    saga = Saga.objects.get(order_id=order_id)
    return saga.waiting_for == "" and saga.due_at is not None and saga.due_at < now() + timedelta(minutes=30)


def test_a_batch_of_expired_holds_is_one_statement_whatever_its_size(database: None, sql_guard: SqlGuard):
    counts = []
    for size in (2, 50):
        deliveries = expired([uuid.uuid4() for _ in range(size)])[-size:]
        sql_guard.statements.clear()
        deliver_batch(deliveries=deliveries)
        counts.append(len(sql_guard.statements))

    assert counts[0] == counts[1] <= 2


def test_waiting_orders_of_a_batch_are_hurried_and_those_at_work_are_not(mug: str):
    waiting, other, running = (placed() for _ in range(3))
    make_wait(waiting, other)
    before = Saga.objects.get(order_id=running).due_at

    deliver_batch(deliveries=expired([waiting, running, uuid.uuid4(), waiting]))

    assert is_hurried(waiting)
    assert not is_hurried(other)
    assert Saga.objects.get(order_id=running).due_at == before
