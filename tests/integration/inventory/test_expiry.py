"""Holds end by the database's clock, whoever notices first."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from io import StringIO
from threading import Event
from uuid import uuid4

import pytest
import time_machine
from django.core.management import call_command
from django.db import connections

from inventory import api as inventory
from inventory import tasks
from inventory.models import Outbox, Reservation
from inventory.services import expiry, ledger, locked_stock, reservation_store
from shop.clock import database_now, now
from shop.transactions import alias_for
from shop.work.sweeps import sweeps
from tests.driver.sessions import waiting_for
from tests.driver.waiting import until
from tests.integration.inventory.reservations import (
    and_leave,
    at_once,
    execute,
    levels,
    noting,
    pass_expiry,
    reservation_in,
    reserve,
    status_of,
)

pytestmark = pytest.mark.usefixtures("both_ways", "audited")


def test_hold_lasts_as_long_as_the_setting_says_by_the_databases_clock(shelf, settings):
    settings.RESERVATION_TTL_SECONDS = 900
    shelf()

    with time_machine.travel(now() + timedelta(days=400)):  # an application server with a wrong clock
        state = inventory.reserve_stock(order_id=uuid4(), lines=[inventory.Line("MUG", 1)], for_payment=False)
        assert inventory.release_expired_reservations() == 0

    left = state.expires_at - database_now(alias=alias_for("inventory"))
    assert timedelta(seconds=890) < left <= timedelta(seconds=900)


@pytest.mark.parametrize(("microseconds", "over"), [(-1, True), (0, True), (1, False)])
def test_hold_is_over_at_the_very_moment_it_expires(shelf, microseconds, over):
    shelf()
    order_id = reserve(("MUG", 1))

    with ledger.unit_of_work() as cursor:  # now() stands still inside a transaction
        cursor.execute(
            "UPDATE inventory_reservation SET expires_at = now() + %s",
            [timedelta(microseconds=microseconds)],  # type: ignore[list-item]
        )
        assert reservation_store.find(order_id).overdue is over
        assert expiry.lock_overdue(cursor, 10) == ({order_id: ["MUG"]} if over else {})


def test_sweep_frees_only_holds_whose_time_is_over(shelf):
    shelf()
    kept = reserve(("MUG", 1))
    paying = pass_expiry(reserve(("MUG", 1), for_payment=True))
    over = [reservation_in("OVERDUE_HELD") for _ in range(3)]

    assert inventory.release_expired_reservations() == 3
    assert inventory.release_expired_reservations() == 0

    assert [status_of(order_id) for order_id in (kept, paying)] == ["HELD", "PAYING"]
    assert {status_of(order_id) for order_id in over} == {"EXPIRED"}
    assert levels() == (8, 2, 0)
    assert Outbox.objects.filter(type="stock.expired").count() == 3


def test_confirmed_orders_stock_never_expires(shelf):
    shelf()
    order_id = pass_expiry(reservation_in("COMMITTED"))

    assert inventory.release_expired_reservations() == 0
    assert status_of(order_id) == "COMMITTED"


def test_sweep_takes_more_than_one_batch_and_no_more_than_asked(shelf, monkeypatch):
    monkeypatch.setattr(expiry, "BATCH", 2)
    shelf()
    for _ in range(5):
        reserve(("MUG", 1))
    execute("UPDATE inventory_reservation SET expires_at = now() - interval '1 second'")

    assert inventory.release_expired_reservations(limit=3) == 3
    assert inventory.release_expired_reservations() == 2


def test_sweepers_at_once_expire_each_hold_once(shelf):
    shelf(quantity=60)
    for _ in range(60):
        reserve(("MUG", 1))
    execute("UPDATE inventory_reservation SET expires_at = now() - interval '1 second'")

    answers = at_once([inventory.release_expired_reservations] * 6)

    assert sum(answers) == 60
    assert levels() == (60, 0, 0)
    assert Outbox.objects.filter(type="stock.expired").count() == 60


def test_buyer_gets_the_stock_of_an_expired_hold_without_any_sweep(shelf):
    shelf(quantity=2)
    over = reservation_in("OVERDUE_HELD")

    assert inventory.get_offers(skus=["MUG"])["MUG"].available == 2
    order_id = reserve(("MUG", 2))

    assert (status_of(over), status_of(order_id)) == ("EXPIRED", "HELD")
    assert levels() == (0, 2, 0)


def test_buyer_is_not_refused_while_expired_holds_of_any_number_keep_the_stock(shelf, monkeypatch):
    monkeypatch.setattr(expiry, "BATCH", 10)
    shelf(quantity=70)
    hold_and_expire(70)

    reserve(("MUG", 65))

    assert levels() == (5, 65, 0)


def test_shortage_that_no_expired_hold_covers_is_told_with_all_that_is_free(shelf, monkeypatch):
    monkeypatch.setattr(expiry, "BATCH", 10)
    shelf(quantity=70)
    hold_and_expire(70)

    with pytest.raises(inventory.InsufficientStock) as refusal:
        reserve(("MUG", 71))

    assert (refusal.value.wanted, refusal.value.available) == (71, 70)


@pytest.mark.parametrize("both_ways", ["alone"], indirect=True)
def test_buyer_who_would_have_to_free_holds_for_longer_than_one_waits_is_told_to_come_again(
    shelf, monkeypatch, settings
):
    monkeypatch.setattr(expiry, "BATCH", 1)
    settings.BREAKER_TIMEOUT_SECONDS = 0.01
    shelf(quantity=70)
    hold_and_expire(70)
    order_id = uuid4()

    with pytest.raises(inventory.InventoryBusy):
        reserve(("MUG", 70), order_id=order_id)

    assert status_of(order_id) is None
    settings.BREAKER_TIMEOUT_SECONDS = 30
    assert status_of(reserve(("MUG", 70), order_id=order_id)) == "HELD"


def hold_and_expire(count: int) -> None:
    for _ in range(count):
        reserve(("MUG", 1))
    execute("UPDATE inventory_reservation SET expires_at = now() - interval '1 second'")


def test_hundreds_of_holds_expire_in_one_transaction_of_few_statements(shelf):
    shelf(quantity=120)
    hold_and_expire(120)
    asked: list[str] = []

    with connections[alias_for("inventory")].execute_wrapper(noting(asked)):
        assert inventory.release_expired_reservations() == 120

    assert len(asked) == 3
    assert levels() == (120, 0, 0)
    facts = Outbox.objects.filter(type="stock.expired").values_list("aggregate_version", "payload__lines")
    assert list(facts) == [(2, [{"sku": "MUG", "quantity": 1}])] * 120


def test_sweep_ends_in_time_and_the_next_one_goes_on(shelf, monkeypatch):
    monkeypatch.setattr(expiry, "BATCH", 2)
    monkeypatch.setattr(expiry, "SWEEP_SECONDS", 0)
    shelf()
    hold_and_expire(5)

    assert [inventory.release_expired_reservations() for _turn in range(4)] == [2, 2, 1, 0]


def test_shopper_is_not_blocked_by_their_own_expired_hold(shelf):
    shelf(quantity=1)
    first = reserve(("MUG", 1))
    with pytest.raises(inventory.InsufficientStock):
        reserve(("MUG", 1))

    pass_expiry(first)

    assert status_of(reserve(("MUG", 1), for_payment=True)) == "PAYING"


def test_buyers_at_once_share_the_stock_of_expired_holds_exactly(shelf):
    shelf("CUP", quantity=10)
    shelf("MUG", quantity=10)
    for turn in range(10):
        reserve(*((("CUP", 1), ("MUG", 1)) if turn % 2 else (("MUG", 1), ("CUP", 1))))
    execute("UPDATE inventory_reservation SET expires_at = now() - interval '1 second'")

    answers = at_once([lambda: reserve(("MUG", 1), ("CUP", 1))] * 24 + [inventory.release_expired_reservations] * 2)

    assert sum(isinstance(answer, inventory.InsufficientStock) for answer in answers) == 14
    assert levels("MUG") == levels("CUP") == (0, 10, 0)


@pytest.mark.parametrize("first", ["sweep", "payment"])
def test_sweep_racing_the_payment_of_an_overdue_hold_frees_it_once_and_never_pays(shelf, first):
    shelf(quantity=100)
    orders = [reservation_in("OVERDUE_HELD") for _ in range(16)]
    payments: list[Callable[[], object]] = [partial(inventory.begin_payment, order_id=order_id) for order_id in orders]
    sweeps: list[Callable[[], object]] = [inventory.release_expired_reservations] * 4

    # Whoever reaches the barrier last runs first.
    answers = at_once(payments + sweeps) if first == "sweep" else at_once(sweeps + payments)[4:]

    assert {type(answer) for answer in answers[:16]} == {inventory.ReservationClosed}
    assert {status_of(order_id) for order_id in orders} == {"EXPIRED"}
    assert set(Reservation.objects.values_list("version", flat=True)) == {2}
    assert levels() == (100, 0, 0)


def test_sweep_racing_a_payment_at_the_last_moment_lets_exactly_one_win(shelf):
    shelf(quantity=100)
    orders = [reserve(("MUG", 1)) for _ in range(16)]
    execute("UPDATE inventory_reservation SET expires_at = clock_timestamp() + interval '30 milliseconds'")

    def pay(order_id):
        try:
            return inventory.begin_payment(order_id=order_id).status
        except inventory.ReservationClosed as refusal:
            return refusal.status

    def sweep_until_still():
        while Reservation.objects.filter(status="HELD").exists():
            inventory.release_expired_reservations()

    answers = at_once([*(partial(pay, order_id) for order_id in orders), *[sweep_until_still] * 2])

    assert [status_of(order_id) for order_id in orders] == answers[:16]
    assert levels() == (100 - answers.count("PAYING"), answers.count("PAYING"), 0)


def test_sweep_passes_by_what_another_connection_works_on(shelf):
    shelf()
    busy, idle = reservation_in("OVERDUE_HELD"), reservation_in("OVERDUE_HELD")

    with ledger.unit_of_work() as cursor:
        cursor.execute("SELECT FROM inventory_reservation WHERE order_id = %s FOR UPDATE", [busy])
        [swept] = at_once([inventory.release_expired_reservations])

    assert swept == 1
    assert (status_of(busy), status_of(idle)) == ("HELD", "EXPIRED")


LOCKED_STOCK = "SELECT FROM inventory_stock WHERE sku = %s FOR UPDATE"


@pytest.mark.usefixtures("brief")
def test_sweep_expires_the_holds_of_free_products_while_another_is_locked_and_that_ones_afterwards(shelf, monkeypatch):
    monkeypatch.setattr(expiry, "BATCH", 2)
    for sku in ("CUP", "MUG", "TEA"):
        shelf(sku)
    waiting = [reserve(("MUG", 1)), reserve(("CUP", 1), ("MUG", 1)), reserve(("MUG", 1), ("TEA", 1))]
    free = [reserve(("CUP", 1)), reserve(("TEA", 1)), reserve(("CUP", 1), ("TEA", 2))]
    expire_all_in_turn()

    with ThreadPoolExecutor(1) as pool, ledger.unit_of_work() as cursor:
        cursor.execute(LOCKED_STOCK, ["MUG"])
        swept = pool.submit(and_leave, inventory.release_expired_reservations).result(15)

        assert swept == 3
        assert [status_of(order_id) for order_id in waiting + free] == ["HELD"] * 3 + ["EXPIRED"] * 3
        assert [levels(sku) for sku in ("CUP", "MUG", "TEA")] == [(9, 1, 0), (7, 3, 0), (9, 1, 0)]

    assert inventory.release_expired_reservations() == 3
    assert {status_of(order_id) for order_id in waiting} == {"EXPIRED"}
    assert [levels(sku) for sku in ("CUP", "MUG", "TEA")] == [(10, 0, 0)] * 3


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("both_ways", ["alone"], indirect=True)
def test_turn_of_many_sets_waits_for_a_locked_product_once(shelf, monkeypatch):
    monkeypatch.setattr(tasks, "SET", 1)
    shelf("CUP")
    shelf("MUG")
    for sku in ("MUG", "CUP", "CUP", "CUP"):
        reserve((sku, 1))
    expire_all_in_turn()
    find, asked = locked_stock.find_locked_for_long, []

    def noted(skus):
        asked.append(skus)
        return find(skus)

    monkeypatch.setattr(locked_stock, "find_locked_for_long", noted)
    with ledger.unit_of_work() as cursor:
        cursor.execute(LOCKED_STOCK, ["MUG"])
        assert at_once([tasks.release_expired_reservations]) == [3]
        assert asked == [{"MUG"}]

    assert tasks.release_expired_reservations() == 1


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("both_ways", ["alone"], indirect=True)
def test_holds_of_a_product_in_demand_are_not_left_with_those_of_a_locked_one(shelf, monkeypatch):
    """Its stock is locked whenever one looks, and free for whoever waits."""
    monkeypatch.setattr(ledger, "BRIEF_SHARE", 1 / 10)
    shelf("CUP")
    shelf("MUG")
    waiting, free = reserve(("CUP", 1)), reserve(("MUG", 1))
    expire_all_in_turn()
    bought = Event()

    def buy() -> None:
        with ledger.unit_of_work() as cursor:
            cursor.execute(LOCKED_STOCK, ["MUG"])
            bought.set()
            until(lambda: waiting_for(cursor), "the sweep waits its turn", seconds=15)

    with ThreadPoolExecutor(2) as pool, ledger.unit_of_work() as cursor:
        cursor.execute(LOCKED_STOCK, ["CUP"])
        buyer = pool.submit(and_leave, buy)
        assert bought.wait(30)
        assert pool.submit(and_leave, inventory.release_expired_reservations).result(60) == 1
        buyer.result(60)

    assert [status_of(order_id) for order_id in (waiting, free)] == ["HELD", "EXPIRED"]


@pytest.mark.usefixtures("brief")
def test_buyer_gets_the_stock_of_free_expired_holds_and_waits_for_that_of_a_locked_one_holding_nothing(shelf):
    shelf("CUP", quantity=2)
    shelf("MUG")
    both, free = reserve(("CUP", 1), ("MUG", 1)), reserve(("CUP", 1))
    expire_all_in_turn()

    with ThreadPoolExecutor(1) as pool:
        with ledger.unit_of_work() as cursor:
            cursor.execute(LOCKED_STOCK, ["MUG"])
            first = pool.submit(and_leave, lambda: reserve(("CUP", 1))).result(15)
            assert [status_of(order_id) for order_id in (both, free, first)] == ["HELD", "EXPIRED", "HELD"]

            second = pool.submit(and_leave, lambda: reserve(("CUP", 1)))
            until(lambda: locked_stock.is_awaited(["MUG"]), "the second waits", seconds=15)
            cursor.execute("SELECT FROM inventory_stock WHERE sku = 'CUP' FOR UPDATE NOWAIT")
        assert status_of(second.result(60)) == "HELD"

    assert status_of(both) == "EXPIRED"
    assert (levels("CUP"), levels("MUG")) == ((0, 2, 0), (10, 0, 0))


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("both_ways", ["alone"], indirect=True)
def test_command_names_the_locked_products_whose_holds_it_leaves(shelf):
    shelf("CUP")
    shelf("MUG")
    reserve(("CUP", 1))
    reserve(("MUG", 1))
    expire_all_in_turn()
    out = StringIO()

    with ledger.unit_of_work() as cursor:
        cursor.execute(LOCKED_STOCK, ["MUG"])
        at_once([lambda: call_command("release_expired_reservations", stdout=out)])

    assert out.getvalue().splitlines() == [
        "1 reservations expired",
        "left for later, since their stock is locked: reservations of MUG",
    ]


def expire_all_in_turn() -> None:
    """Have every hold's time be over, that of the first one longest."""
    execute("UPDATE inventory_reservation SET expires_at = created_at - interval '1 minute'")


def test_command_and_beat_task_run_the_sweep(shelf):
    shelf()
    first = reservation_in("OVERDUE_HELD")
    out = StringIO()
    call_command("release_expired_reservations", stdout=out)

    second = reservation_in("OVERDUE_HELD")
    [sweep] = [sweep for sweep in sweeps() if sweep.name == "inventory.release_expired_reservations"]
    swept = sweep.run()

    assert out.getvalue() == "1 reservations expired\n"
    assert swept == 1
    assert {status_of(first), status_of(second)} == {"EXPIRED"}
