"""Shelves with stock, reservations in every status, and the audit after each test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connections

from inventory import api as inventory
from inventory.models import Reservation, Stock
from shop import coalescing, transactions
from shop.audit import checks
from shop.money import Money

SKU = "MUG"


@pytest.fixture
def shelf(database: None) -> Callable[..., str]:
    """Return a function that puts a product with stock on the shelf and returns its SKU."""

    def put(sku: str = SKU, quantity: int = 10, price: Money | None = None) -> str:
        inventory.add_product(sku=sku, name=f"A {sku.lower()}", price=price or Money(1250, "EUR"))
        if quantity:
            inventory.receive_stock(sku=sku, quantity=quantity, reference="delivery 1")
        return sku

    return put


@pytest.fixture
def audited(database: None):
    """Hold the test to inventory's promises once it is over."""
    yield
    assert inventory_violations() == []


@pytest.fixture(params=["alone", "together"])
def both_ways(request: pytest.FixtureRequest, database: None, settings: Any, monkeypatch: pytest.MonkeyPatch):
    """Run the test with each caller in a transaction of its own, and with all in the batches of many."""
    settings.COALESCE = request.param == "together"
    monkeypatch.setattr(coalescing.Batch, "alone_if_nobody_else_asks", False)
    yield request.param
    coalescing.stop()


def inventory_violations() -> list[tuple[str, str]]:
    return [
        (violation.promise, f"{violation.subject}: {violation.detail}")
        for check in checks()
        if check.context == "inventory"
        for violation in check.run()
    ]


def levels(sku: str = SKU) -> tuple[int, int, int]:
    """Return what is available, reserved and sold."""
    stock = Stock.objects.get(pk=sku)
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


def noting(asked: list[str]) -> Callable[..., Any]:
    """Return a wrapper that notes every statement of a connection (connection.execute_wrapper)."""

    def note(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        asked.append(sql)
        return execute(sql, params, many, context)

    return note


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
