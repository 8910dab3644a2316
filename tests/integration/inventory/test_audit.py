"""Each of inventory's checks names the violation that is planted for it, and nothing else."""

import pytest

from inventory import api as inventory
from inventory.models import Outbox, Reservation
from shop.story.timeline import story_of
from tests.driver.facts import lose_facts
from tests.integration.inventory.reservations import execute, inventory_violations, pass_expiry, reservation_in, reserve

NO_LAW = "ALTER TABLE inventory_stock DROP CONSTRAINT inventory_stock_law, DROP CONSTRAINT inventory_stock_available"
LAW = (
    "ALTER TABLE inventory_stock ADD CONSTRAINT inventory_stock_available CHECK (available >= 0),"
    " ADD CONSTRAINT inventory_stock_law CHECK (received = available + reserved + sold + written_off)"
)


def test_shop_in_every_status_passes(shelf):
    shelf("CUP", quantity=0)
    shelf(quantity=50)
    for status in Reservation.TRANSITIONS:
        reservation_in(status)
    inventory.release_stock(order_id=reservation_in("NOTHING"))

    assert inventory_violations() == []


def test_stock_that_breaks_its_law_is_named(shelf):
    shelf()
    execute(NO_LAW)
    try:
        execute("UPDATE inventory_stock SET available = -1")
        found = inventory_violations()
    finally:
        execute("DELETE FROM inventory_stock")
        execute(LAW)

    assert any(promise == "I1" and "SKU MUG: the stock law is broken: available -1" in what for promise, what in found)


def test_stock_changed_past_the_ledger_is_named(shelf):
    shelf()
    execute("UPDATE inventory_stock SET available = available - 1, written_off = written_off + 1")

    assert inventory_violations() == [
        ("I1", "SKU MUG: stock {9,0,0,10,1} differs from its ledger {10,0,0,10,0}"),
    ]


def test_stock_that_no_reservation_keeps_is_named(shelf):
    shelf()
    order_id = reserve(("MUG", 2))
    execute("UPDATE inventory_reservationline SET quantity = 1")

    assert inventory_violations() == [
        ("I1", "SKU MUG: reserved 2 but orders keep 1; sold 0 but orders have 0"),
        (
            "I1",
            f"reservation {order_id}: of MUG it has moved -2 to be available, 2 reserved, 0 sold; its lines say -1, 1, 0",
        ),
    ]


def test_change_of_status_without_its_event_is_named(shelf):
    shelf()
    order_id = reserve(("MUG", 1), for_payment=True)
    inventory.commit_stock(order_id=order_id)
    lose_facts("inventory", "type = 'stock.committed'")

    assert (
        "I8",
        f"reservation {order_id}: it is at version 2, its facts are: 1 stock.reserved",
    ) in inventory_violations()


def test_status_written_past_the_table_is_named(shelf):
    shelf()
    order_id = reserve(("MUG", 1))
    execute("UPDATE inventory_reservation SET status = 'PAYING'")

    assert inventory_violations() == [("I9", f"reservation {order_id}: its facts end in HELD, but it is PAYING")]


def test_step_that_does_not_exist_is_named(shelf):
    shelf()
    order_id = reserve(("MUG", 1))
    inventory.begin_payment(order_id=order_id)
    Outbox.objects.filter(type="stock.payment_began").update(type="stock.committed")
    execute("UPDATE inventory_reservation SET status = 'COMMITTED'")

    promises = [what for promise, what in inventory_violations() if promise == "I9"]

    assert promises == [f"reservation {order_id}: it took a step that does not exist: HELD > COMMITTED"]


def test_hold_that_nobody_sweeps_is_named(shelf):
    shelf()
    order_id = reserve(("MUG", 1))
    pass_expiry(order_id)
    assert inventory_violations() == []  # the sweep has its minutes

    execute("UPDATE inventory_reservation SET expires_at = now() - interval '1 hour'")

    [(promise, what)] = inventory_violations()
    assert (promise, what.partition(":")[0]) == ("I10", f"reservation {order_id}")


@pytest.mark.parametrize("lost", [False, True])
def test_story_of_an_order_tells_its_stock_even_when_an_earlier_release_lost_the_events(shelf, lost):
    shelf()
    order_id = reserve(("MUG", 1))
    inventory.begin_payment(order_id=order_id)
    inventory.commit_stock(order_id=order_id)
    Outbox.objects.all().delete()
    if lost:
        lose_facts("inventory")

    story = story_of(order_id)

    told = [happening.what for happening in story.happened if happening.context == "inventory"]
    began = [] if lost else ["the payment began: the stock does not expire any more"]
    assert told == ["the stock was reserved", *began, "the stock was counted as sold"]


def test_story_says_when_a_hold_will_end(shelf):
    shelf()
    order_id = reserve(("MUG", 1))

    [upcoming] = [coming for coming in story_of(order_id).upcoming if coming.context == "inventory"]

    assert upcoming.at == inventory.get_reservation(order_id=order_id).expires_at
