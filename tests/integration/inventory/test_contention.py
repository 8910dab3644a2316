"""Many buyers at once, each on a connection of its own."""

from collections import Counter
from threading import Event
from uuid import UUID, uuid4

import pytest
from django.db import connections
from django.db.backends.utils import CursorWrapper

from inventory import api as inventory
from inventory.models import Outbox, Reservation, StockMovement
from inventory.services import ledger
from shop import transactions
from tests.integration.inventory.conftest import at_once, levels, reserve, status_of
from tests.process.conftest import until

pytestmark = pytest.mark.usefixtures("audited")


def test_64_buyers_of_a_scarce_product_get_exactly_what_is_there(shelf):
    shelf(quantity=20)

    answers = at_once([lambda: reserve(("MUG", 1))] * 64)

    refusals = [answer for answer in answers if isinstance(answer, Exception)]
    assert Counter(type(refusal) for refusal in refusals) == {inventory.InsufficientStock: 44}
    assert levels() == (0, 20, 0)
    assert Reservation.objects.filter(status="HELD").count() == 20
    assert Reservation.objects.filter(status="SHORT").count() == 44


def test_orders_naming_the_same_products_in_opposite_order_never_deadlock(shelf):
    skus = [shelf(sku, quantity=1000) for sku in ("A", "B", "C", "D")]

    def buy(turn: int) -> None:
        names = skus if turn % 2 else skus[::-1]
        for _ in range(5):
            order_id = reserve(*((sku, 1) for sku in names), for_payment=True)
            inventory.commit_stock(order_id=order_id)
            if turn % 3 == 0:
                inventory.release_stock(order_id=order_id)

    answers = at_once([lambda turn=turn: buy(turn) for turn in range(24)])

    assert answers == [None] * 24
    assert [levels(sku) for sku in skus] == [(1000 - 80, 0, 80)] * 4


def test_who_waits_for_a_product_holds_none_that_comes_after_it(shelf):
    shelf("A", quantity=10)
    shelf("B", quantity=5)

    order_id, a_is_locked = uuid4(), Event()

    def lock_a_then_b() -> None:
        with ledger.unit_of_work() as cursor:
            cursor.execute("SELECT FROM inventory_stock WHERE sku = 'A' FOR UPDATE")
            a_is_locked.set()
            until(lambda: somebody_waits_for(cursor), "the buyer waits for A")
            cursor.execute("SELECT FROM inventory_stock WHERE sku = 'B' FOR UPDATE NOWAIT")

    def buy() -> UUID:
        a_is_locked.wait(30)
        return reserve(("B", 1), ("A", 1), order_id=order_id)

    assert at_once([lock_a_then_b, buy]) == [None, order_id]
    assert status_of(order_id) == "HELD"


def somebody_waits_for(cursor: CursorWrapper) -> bool:
    cursor.execute("SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))")
    return cursor.rowcount > 0


def test_calls_for_one_order_at_once_end_as_one_reservation(shelf):
    shelf(quantity=10)
    order_id = uuid4()

    answers = at_once([lambda: reserve(("MUG", 3), order_id=order_id)] * 16)

    assert answers == [order_id] * 16
    assert levels() == (7, 3, 0)
    assert StockMovement.objects.filter(order_id=order_id).count() == 1
    assert Outbox.objects.filter(aggregate_id=order_id).count() == 1


def test_refused_calls_for_one_order_at_once_leave_one_record(shelf):
    shelf(quantity=2)
    order_id = uuid4()

    answers = at_once([lambda: reserve(("MUG", 3), order_id=order_id)] * 8)

    assert {type(answer) for answer in answers} == {inventory.InsufficientStock}
    assert Outbox.objects.filter(aggregate_id=order_id, type="stock.short").count() == 1


def test_reserve_and_release_of_one_order_at_once_leave_nothing_reserved(shelf):
    shelf(quantity=100)
    orders = [uuid4() for _ in range(16)]

    at_once(
        [lambda order_id=order_id: reserve(("MUG", 1), order_id=order_id) for order_id in orders]
        + [lambda order_id=order_id: inventory.release_stock(order_id=order_id) for order_id in orders]
    )

    assert {status_of(order_id) for order_id in orders} == {"RELEASED"}
    assert levels() == (100, 0, 0)


def test_commit_and_release_of_one_order_at_once_move_its_stock_once(shelf):
    shelf(quantity=100)
    orders = [reserve(("MUG", 2), for_payment=True) for _ in range(12)]

    at_once(
        [
            lambda order_id=order_id, step=step: step(order_id=order_id)
            for order_id in orders
            for step in (inventory.commit_stock, inventory.release_stock, inventory.release_stock)
        ]
    )

    assert {status_of(order_id) for order_id in orders} == {"RELEASED"}
    assert levels() == (100, 0, 0)


def test_stock_that_stays_locked_is_a_fault_within_the_breakers_patience(shelf, settings):
    shelf()
    settings.BREAKER_TIMEOUT_SECONDS = 0.2
    order_id = uuid4()
    alias = transactions.alias_for("inventory")

    with transactions.transaction("inventory"), connections[alias].cursor() as cursor:
        cursor.execute("SELECT 1 FROM inventory_stock WHERE sku = 'MUG' FOR UPDATE")
        [answer] = at_once([lambda: reserve(("MUG", 1), order_id=order_id)])

    assert isinstance(answer, inventory.InventoryUnavailable)
    assert status_of(order_id) is None
    assert reserve(("MUG", 1), order_id=order_id) == order_id
