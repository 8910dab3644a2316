"""Two callers for one order: neither waits for what the other has while the other waits for it."""

from __future__ import annotations

from threading import Event
from uuid import UUID, uuid4

import pytest

from inventory import api as inventory
from inventory.models import Reservation, ReservationLine
from inventory.services import ledger
from tests.driver.sessions import waiting_at_all
from tests.driver.waiting import until
from tests.integration.inventory.reservations import at_once, levels, reserve, status_of


@pytest.mark.makes_facts_up
def test_a_late_reserve_and_a_move_of_the_same_order_do_not_wait_for_each_other(shelf):
    shelf(quantity=10)
    order_id, stock_is_locked, late_one_waits = uuid4(), Event(), Event()

    def hold_the_stock() -> None:
        with ledger.unit_of_work() as cursor:
            cursor.execute("UPDATE inventory_stock SET available = 9, reserved = 1 WHERE sku = 'MUG'")
            stock_is_locked.set()
            until(lambda: waiting_at_all(cursor) == 1, "the late call waits")
            late_one_waits.set()
            until(lambda: waiting_at_all(cursor) == 2, "the move waits, too")

    def reserve_late() -> UUID:
        stock_is_locked.wait(60)
        return reserve(("MUG", 1), order_id=order_id, for_payment=True)

    def go_on() -> None:
        late_one_waits.wait(60)
        # What an earlier call for the order has reserved; its stock is in the row that is held.
        Reservation.objects.create(order_id=order_id, status="PAYING")
        ReservationLine.objects.create(reservation_id=order_id, sku="MUG", quantity=1)
        inventory.commit_stock(order_id=order_id)

    assert at_once([hold_the_stock, reserve_late, go_on]) == [None, order_id, None]
    assert (status_of(order_id), levels()) == ("COMMITTED", (9, 0, 1))
