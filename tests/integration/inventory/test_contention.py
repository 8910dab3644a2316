"""Many buyers at once, each on a connection of its own."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, connections

from inventory import api as inventory
from inventory import rules
from inventory.events import StockReserved
from inventory.models import Outbox, Reservation, StockMovement
from inventory.services import ledger, locked_stock, together
from inventory.services import reservation_store as store
from inventory.services.reservation_store import Wish
from shop import coalescing, transactions
from shop.errors import Busy
from tests.driver.sessions import waiting_for
from tests.driver.waiting import until
from tests.integration.inventory.reservations import (
    and_leave,
    at_once,
    execute,
    levels,
    no_free_connection,
    noting,
    reservation_in,
    reserve,
    status_of,
)

pytestmark = pytest.mark.usefixtures("both_ways", "audited")


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

    answers = at_once([partial(buy, turn) for turn in range(24)])

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
            until(lambda: waiting_for(cursor), "the buyer waits for A")
            cursor.execute("SELECT FROM inventory_stock WHERE sku = 'B' FOR UPDATE NOWAIT")

    def buy() -> UUID:
        a_is_locked.wait(30)
        return reserve(("B", 1), ("A", 1), order_id=order_id)

    assert at_once([lock_a_then_b, buy]) == [None, order_id]
    assert status_of(order_id) == "HELD"


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
        [
            *(partial(reserve, ("MUG", 1), order_id=order_id) for order_id in orders),
            *(partial(inventory.release_stock, order_id=order_id) for order_id in orders),
        ]
    )

    assert {status_of(order_id) for order_id in orders} == {"RELEASED"}
    assert levels() == (100, 0, 0)


def test_commit_and_release_of_one_order_at_once_move_its_stock_once(shelf):
    shelf(quantity=100)
    orders = [reserve(("MUG", 2), for_payment=True) for _ in range(12)]

    at_once(
        [
            partial(step, order_id=order_id)
            for order_id in orders
            for step in (inventory.commit_stock, inventory.release_stock, inventory.release_stock)
        ]
    )

    assert {status_of(order_id) for order_id in orders} == {"RELEASED"}
    assert levels() == (100, 0, 0)


@pytest.mark.parametrize("both_ways", ["alone"], indirect=True)
def test_stock_that_rises_while_its_buyer_waits_is_sold_at_once(shelf):
    shelf(quantity=3)
    order_id, delivered = uuid4(), Event()
    reserve(("MUG", 3))
    asked: list[str] = []

    def deliver() -> None:
        with ledger.unit_of_work() as cursor:
            ledger.move(cursor, ledger.RECEIVE, [(None, inventory.Line("MUG", 2))])
            delivered.set()
            until(lambda: waiting_for(cursor), "the buyer waits for the delivery")

    def buy() -> UUID:
        delivered.wait(30)
        with connections[transactions.alias_for("inventory")].execute_wrapper(noting(asked)):
            return reserve(("MUG", 2), order_id=order_id)

    assert at_once([deliver, buy]) == [None, order_id]
    assert levels() == (0, 5, 0)
    # What the statement computes from the row as old as itself would break a CHECK, though the newest row does not.
    assert len(asked) == 1


LOCKED_STOCK = "SELECT FROM inventory_stock WHERE sku = 'MUG' FOR UPDATE"
LOCKED_RESERVATION = "SELECT FROM inventory_reservation WHERE order_id = %s FOR UPDATE"


@pytest.mark.parametrize(
    ("status", "use_case", "locked"),
    [
        ("NOTHING", lambda order_id: reserve(("MUG", 1), order_id=order_id), LOCKED_STOCK),
        ("HELD", lambda order_id: inventory.begin_payment(order_id=order_id), LOCKED_RESERVATION),
        ("PAYING", lambda order_id: inventory.commit_stock(order_id=order_id), LOCKED_STOCK),
        ("PAYING", lambda order_id: inventory.commit_stock(order_id=order_id), LOCKED_RESERVATION),
        ("PAYING", lambda order_id: inventory.release_stock(order_id=order_id), LOCKED_STOCK),
    ],
    ids=["reserve", "begin_payment", "commit", "commit of a locked reservation", "release"],
)
def test_wait_for_a_lock_ends_with_inventorys_patience_not_the_connections(shelf, settings, status, use_case, locked):
    shelf()
    # Long enough for a batch's thread to begin on a busy machine: a batch that has not begun by then is withdrawn.
    settings.BREAKER_TIMEOUT_SECONDS = 1.5
    order_id = reservation_in(status)
    before = status_of(order_id)

    def ask() -> tuple[object, float]:
        began = time.monotonic()
        try:
            return use_case(order_id), 0
        except inventory.InventoryBusy as fault:
            return type(fault), time.monotonic() - began

    with ledger.unit_of_work() as cursor:
        cursor.execute(locked, [order_id] if "%s" in locked else None)
        [(answer, seconds)] = at_once([ask])

    assert answer is inventory.InventoryBusy
    assert 1.5 <= seconds < 30, "the connection's own is a minute"
    assert status_of(order_id) == before
    use_case(order_id)


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("both_ways", ["together"], indirect=True)
def test_batch_leaves_out_who_wants_a_locked_product_and_serves_the_neighbours(shelf):
    shelf("CUP")
    shelf("MUG")
    wishes = [wish_for(("MUG", 1)), wish_for(("CUP", 1), ("MUG", 1)), wish_for(("CUP", 2))]

    with ledger.unit_of_work() as cursor:
        cursor.execute(LOCKED_STOCK)
        [kept] = at_once([lambda: together._reserve(wishes)])

    assert list(kept) == [wishes[2].event.order_id]
    assert (levels("CUP"), levels("MUG")) == ((8, 2, 0), (10, 0, 0))


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("both_ways", ["together"], indirect=True)
def test_batch_of_commits_ends_after_a_brief_wait_and_each_goes_alone(shelf):
    shelf("CUP")
    shelf("MUG")
    orders = [reserve((sku, 1), for_payment=True) for sku in ("MUG", "CUP")]

    with ledger.unit_of_work() as cursor:
        cursor.execute(LOCKED_STOCK)
        [kept] = at_once([lambda: together._commit([store.Asked.of(order_id) for order_id in orders])])
        [_] = at_once([lambda: inventory.commit_stock(order_id=orders[1])])

        assert kept == {}
        assert [status_of(order_id) for order_id in orders] == ["PAYING", "COMMITTED"]
    inventory.commit_stock(order_id=orders[0])
    assert (levels("CUP"), levels("MUG")) == ((9, 0, 1), (9, 0, 1))


@pytest.mark.usefixtures("brief")
def test_few_orders_wait_for_a_locked_product_outside_of_the_batches_and_further_ones_are_told_at_once(
    shelf, monkeypatch
):
    shelf("CUP")
    shelf("MUG")
    run = together.RESERVATIONS.run
    together_with: list[str] = []

    def noted(wishes):
        together_with.extend(wish.event.lines[0].sku for wish in wishes)
        return run(wishes)

    monkeypatch.setattr(together.RESERVATIONS, "run", noted)
    with ThreadPoolExecutor(2) as pool:
        with ledger.unit_of_work() as cursor:
            cursor.execute(LOCKED_STOCK)
            first = pool.submit(buy_one_and_leave, "MUG")
            until(lambda: locked_stock.is_awaited(["MUG"]), "the first waits")
            batched = together_with.count("MUG")
            second = pool.submit(buy_one_and_leave, "MUG")
            until(lambda: locked_stock._waiting["MUG"] == 2, "the second waits")

            [refused, _] = at_once([lambda: reserve(("MUG", 1)), lambda: reserve(("CUP", 1))])

            assert isinstance(refused, inventory.InventoryBusy)
            assert levels("CUP") == (9, 1, 0)
            assert [first.done(), second.done()] == [False, False], "who came third did not wait as long as they"
            assert together_with.count("MUG") == batched, "who came second was not in a batch that waits for the same"

        assert (status_of(first.result(60)), status_of(second.result(60))) == ("HELD", "HELD")
    assert levels("MUG") == (8, 2, 0)
    assert not locked_stock.is_awaited(["MUG"])
    reserve(("MUG", 1))


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize(
    ("status", "move", "moved"),
    [
        ("HELD", inventory.release_stock, "RELEASED"),
        ("PAYING", inventory.commit_stock, "COMMITTED"),
        ("COMMITTED", inventory.return_stock, "RETURNED"),
    ],
    ids=["release", "commit", "return"],
)
def test_who_moves_an_order_of_a_locked_product_waits_and_holds_none_that_comes_before_it(shelf, status, move, moved):
    shelf("CUP")
    shelf("MUG")
    order_id = reserve(("CUP", 1), ("MUG", 1), for_payment=status != "HELD")
    if status == "COMMITTED":
        inventory.commit_stock(order_id=order_id)

    with ThreadPoolExecutor(1) as pool:
        with ledger.unit_of_work() as cursor:
            cursor.execute(LOCKED_STOCK)
            mover = pool.submit(and_leave, partial(move, order_id=order_id))
            until(lambda: locked_stock.is_awaited(["MUG"]), "it waits for longer than briefly", seconds=15)
            cursor.execute("SELECT FROM inventory_stock WHERE sku = 'CUP' FOR UPDATE NOWAIT")
        assert mover.result(60).status == moved

    assert levels("CUP") == levels("MUG") == ((9, 0, 1) if moved == "COMMITTED" else (10, 0, 0))


@pytest.mark.usefixtures("brief")
def test_who_waits_long_for_a_product_holds_none_that_comes_before_it(shelf):
    shelf("CUP")
    shelf("MUG")

    with ThreadPoolExecutor(1) as pool:
        with ledger.unit_of_work() as cursor:
            cursor.execute(LOCKED_STOCK)
            buyer = pool.submit(buy_one_and_leave, "CUP", "MUG")
            until(lambda: locked_stock.is_awaited(["MUG"]), "the buyer waits for longer than briefly", seconds=60)
            cursor.execute("SELECT FROM inventory_stock WHERE sku = 'CUP' FOR UPDATE NOWAIT")
        assert status_of(buyer.result(60)) == "HELD"

    assert (levels("CUP"), levels("MUG")) == ((9, 1, 0), (9, 1, 0))


def buy_one_and_leave(*skus: str) -> UUID:
    return and_leave(lambda: reserve(*((sku, 1) for sku in skus)))


def test_want_of_a_connection_is_not_told_as_a_product_in_demand(shelf):
    shelf()
    order_id = reserve(("MUG", 1))

    with no_free_connection(), pytest.raises(Busy) as told:
        inventory.begin_payment(order_id=order_id)

    assert told.value.code == "busy"
    assert status_of(order_id) == "HELD"


@pytest.mark.parametrize("both_ways", ["together"], indirect=True)
def test_batch_serves_whole_orders_first_come_first_served_and_no_neighbour_suffers(shelf):
    shelf("CUP", quantity=10)
    shelf("MUG", quantity=3)
    shelf("OLD")
    execute("UPDATE inventory_product SET active_to = now() - interval '1 day' WHERE sku = %s", "OLD")
    repeated = reserve(("CUP", 1))
    wishes = [
        wish_for(("MUG", 2)),
        wish_for(("CUP", 1), ("MUG", 2)),
        wish_for(("NOBODY-KNOWS", 1), ("CUP", 1)),
        wish_for(("OLD", 1), ("CUP", 1)),
        wish_for(("CUP", 1), order_id=repeated),
        wish_for(("MUG", 1)),
        wish_for(("MUG", 1)),
    ]

    kept = together._reserve(wishes)

    assert list(kept) == [wishes[0].event.order_id, wishes[5].event.order_id]
    assert (levels("CUP"), levels("MUG")) == ((9, 1, 0), (0, 3, 0))


@pytest.mark.parametrize("both_ways", ["together"], indirect=True)
def test_batch_that_is_met_is_one_statement_with_each_orders_fact_and_one_of_low_stock(shelf, settings):
    settings.STOCK_LOW_THRESHOLD = 5
    shelf(quantity=10)
    wishes = [wish_for(("MUG", 2)) for _ in range(4)]
    asked: list[str] = []

    with connections[transactions.alias_for("inventory")].execute_wrapper(noting(asked)):
        kept = together._reserve(wishes)

    assert len(asked) == 1
    assert list(kept) == [wish.event.order_id for wish in wishes]
    assert Outbox.objects.filter(type="stock.reserved").count() == 4
    assert [fact.payload["available"] for fact in Outbox.objects.filter(type="stock.low")] == [2]


@pytest.mark.parametrize("both_ways", ["together"], indirect=True)
def test_orders_of_a_batch_that_breaks_are_each_reserved_alone(shelf, monkeypatch):
    shelf(quantity=10)
    good = store.reserve

    def broken(wishes, **kwargs):
        if threading.current_thread().name.startswith("batches"):
            raise IntegrityError("one of them is bad")
        return good(wishes, **kwargs)

    monkeypatch.setattr(store, "reserve", broken)
    answers = at_once([lambda: reserve(("MUG", 1))] * 8)

    assert [answer for answer in answers if isinstance(answer, Exception)] == []
    assert levels() == (2, 8, 0)


@pytest.mark.parametrize("both_ways", ["together"], indirect=True)
def test_order_that_was_not_answered_in_time_is_found_when_it_asks_again(shelf, settings, monkeypatch):
    shelf()
    run, order_id, goes_on = together.RESERVATIONS.run, uuid4(), Event()

    def slow(wishes):
        goes_on.wait(30)
        return run(wishes)

    monkeypatch.setattr(together.RESERVATIONS, "run", slow)
    settings.BREAKER_TIMEOUT_SECONDS = 0.1
    with pytest.raises(inventory.InventoryUnavailable):
        reserve(("MUG", 1), order_id=order_id)
    settings.BREAKER_TIMEOUT_SECONDS = 3
    goes_on.set()
    until(lambda: status_of(order_id) == "HELD", "the batch comes through, late")

    assert reserve(("MUG", 1), order_id=order_id, for_payment=True) == order_id
    assert (status_of(order_id), levels()) == ("PAYING", (9, 1, 0))


def wish_for(*lines: tuple[str, int], order_id: UUID | None = None) -> Wish:
    wanted = rules.summed([inventory.Line(sku, quantity) for sku, quantity in lines])
    return Wish.of(StockReserved(order_id=order_id or uuid4(), status="HELD", lines=wanted))


@pytest.mark.parametrize("both_ways", ["together"], indirect=True)
def test_order_that_finds_the_queue_full_is_told_that_the_shop_is_busy_and_holds_nothing(shelf, monkeypatch):
    shelf()
    order_id = uuid4()
    with monkeypatch.context() as full:
        full.setattr(coalescing, "LONGEST_QUEUE", 0)
        with pytest.raises(inventory.InventoryBusy):
            reserve(("MUG", 1), order_id=order_id)
    assert (status_of(order_id), levels()) == (None, (10, 0, 0))

    reserve(("MUG", 1), order_id=order_id)
    assert levels() == (9, 1, 0)
