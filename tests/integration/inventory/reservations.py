"""Reservations in every status, calls at the same moment, and what inventory says of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError, connections
from psycopg_pool import PoolTimeout

from inventory import api as inventory
from inventory.models import Reservation, Stock
from shop import transactions
from shop.audit import checks

SKU = "MUG"


def inventory_violations() -> list[tuple[str, str]]:
    return [
        (violation.promise, f"{violation.subject}: {violation.detail}")
        for check in checks()
        if check.context == "inventory"
        for violation in check.run()
    ]


def levels(sku: str = SKU) -> tuple[int, int, int]:
    """Return what is available, reserved and sold."""
    stock = Stock.objects.get(product_id=sku)
    return stock.available, stock.reserved, stock.sold


def status_of(order_id: UUID) -> str | None:
    found = inventory.get_reservation(order_id=order_id)
    return found.status if found else None


def reserve(*lines: tuple[str, int], order_id: UUID | None = None, for_payment: bool = False) -> UUID:
    order_id = order_id or uuid4()
    inventory.reserve_stock(
        order_id=order_id, lines=[inventory.Line(sku, quantity) for sku, quantity in lines], for_payment=for_payment
    )
    return order_id


def pass_expiry(order_id: UUID) -> UUID:
    """Turn the clock past the reservation's expiry, by moving the expiry."""
    execute("UPDATE inventory_reservation SET expires_at = now() - interval '1 second' WHERE order_id = %s", order_id)
    return order_id


def execute(sql: str, *parameters: Any) -> None:
    with connections[transactions.alias_for("inventory")].cursor() as cursor:
        cursor.execute(sql, parameters)


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run every call in a thread and on a connection of its own, all from the same moment; return results or errors."""
    start = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        try:
            connections[transactions.alias_for("inventory")].ensure_connection()
            start.wait(30)
            return call()
        except Exception as error:  # noqa: BLE001  the test looks at what each thread got
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def and_leave(call: Callable[[], Any]) -> Any:
    """Run the call in a thread of a pool, and close its connections."""
    try:
        return call()
    finally:
        connections.close_all()


def noting(asked: list[str]) -> Callable[..., Any]:
    """Return a wrapper that notes every statement of a connection (connection.execute_wrapper)."""

    def note(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        asked.append(sql)
        return execute(sql, params, many, context)

    return note


@contextmanager
def no_free_connection() -> Iterator[None]:
    """Have this thread's every statement in inventory end as one does that gets no connection of the pool in time."""

    def refuse(*_arguments: Any) -> None:
        raise OperationalError("couldn't get a connection after 1.00 sec") from PoolTimeout()

    with connections[transactions.alias_for("inventory")].execute_wrapper(refuse):
        yield


def reservation_in(status: str, sku: str = SKU, quantity: int = 2) -> UUID:
    """Bring a reservation into a status by the use cases alone (OVERDUE_*: in that status, past its expiry)."""
    order_id = uuid4()
    if status == "NOTHING":
        return order_id
    if status == "SHORT":
        with pytest.raises(inventory.InsufficientStock):
            reserve((sku, 1000), order_id=order_id)
        return order_id
    paying = status not in {"HELD", "OVERDUE_HELD", "EXPIRED"}
    reserve((sku, quantity), order_id=order_id, for_payment=paying)
    if status in {"COMMITTED", "RETURNED"}:
        inventory.commit_stock(order_id=order_id)
    if status == "RETURNED":
        inventory.return_stock(order_id=order_id)
    if status == "RELEASED":
        inventory.release_stock(order_id=order_id)
    if status in {"OVERDUE_HELD", "OVERDUE_PAYING", "EXPIRED"}:
        pass_expiry(order_id)
    if status == "EXPIRED":
        inventory.release_expired_reservations()
    assert Reservation.objects.get(pk=order_id).status == status.removeprefix("OVERDUE_")
    return order_id
