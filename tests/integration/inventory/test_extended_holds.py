"""A hold is extended once, before its time is over; whoever thought it overdue leaves it alone then."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from threading import Event
from uuid import UUID, uuid4

import pytest

from inventory import api as inventory
from inventory.models import Outbox, Reservation
from inventory.services import expiry, ledger
from tests.driver.sessions import waiting_at_all
from tests.driver.waiting import until
from tests.integration.inventory.reservations import (
    at_once,
    execute,
    levels,
    pass_expiry,
    reservation_in,
    reserve,
    status_of,
)

pytestmark = pytest.mark.usefixtures("both_ways", "audited")
MORE = 600


def end_of(order_id: UUID) -> datetime:
    end = Reservation.objects.values_list("expires_at", flat=True).get(pk=order_id)
    assert end is not None
    return end


def extend(order_id: UUID) -> str:
    try:
        return inventory.extend_hold(order_id=order_id, seconds=MORE).status
    except inventory.ReservationClosed as refusal:
        return str(refusal.facts["status"])


def test_a_hold_is_extended_once_however_often_that_is_asked(shelf):
    shelf()
    order_id = reserve(("MUG", 2))
    end = end_of(order_id)

    states = [inventory.extend_hold(order_id=order_id, seconds=MORE) for _time in range(3)]

    assert {state.expires_at for state in states} == {end + timedelta(seconds=MORE)}
    assert {state.lines for state in states} == {(inventory.Line("MUG", 2),)}
    assert (status_of(order_id), levels()) == ("HELD", (8, 2, 0))


def test_many_who_extend_one_hold_at_once_extend_it_once(shelf):
    shelf()
    order_id = reserve(("MUG", 2))
    end = end_of(order_id)

    answers = at_once([partial(extend, order_id)] * 6)

    assert answers == ["HELD"] * 6
    assert end_of(order_id) == end + timedelta(seconds=MORE)


@pytest.mark.parametrize("status", ["PAYING", "COMMITTED"])
def test_what_does_not_expire_is_answered_as_it_is(shelf, status):
    shelf()
    order_id = reservation_in(status)
    end = end_of(order_id)

    assert extend(order_id) == status
    assert end_of(order_id) == end


def test_a_hold_whose_time_is_over_expires_and_is_refused(shelf):
    shelf()
    order_id = reservation_in("OVERDUE_HELD")

    assert extend(order_id) == "EXPIRED"

    assert (status_of(order_id), levels()) == ("EXPIRED", (10, 0, 0))
    assert extend(order_id) == "EXPIRED"


def test_an_extended_hold_whose_time_is_over_expires_and_is_refused(shelf):
    shelf()
    order_id = reserve(("MUG", 1))
    extend(order_id)
    pass_expiry(order_id)

    assert extend(order_id) == "EXPIRED"


def test_a_hold_that_is_released_or_unknown_is_refused(shelf):
    shelf()

    assert extend(reservation_in("RELEASED")) == "RELEASED"
    with pytest.raises(inventory.ReservationNotFound):
        extend(uuid4())


def test_an_extended_hold_ends_at_its_new_time(shelf):
    shelf()
    order_id = reserve(("MUG", 1))
    extend(order_id)
    execute("UPDATE inventory_reservation SET expires_at = expires_at - interval '910 seconds'")

    assert inventory.release_expired_reservations() == 0
    pass_expiry(order_id)
    assert inventory.release_expired_reservations() == 1
    assert Outbox.objects.filter(type="stock.expired").count() == 1


def test_a_buyer_who_saw_the_hold_overdue_frees_nothing_once_it_is_extended(shelf):
    """The extension began in time, and commits after the buyer has looked."""
    shelf(quantity=2)
    order_id = reserve(("MUG", 2))
    extended = Event()

    def extend_late() -> None:
        with ledger.unit_of_work() as cursor:
            cursor.execute("UPDATE inventory_reservation SET expires_at = expires_at + interval '600 s'")
            extended.set()
            until(lambda: waiting_at_all(cursor) == 1, "the buyer wants to free the stock")

    def free() -> int:
        extended.wait(60)
        return expiry.expire_reservations(order_ids=[order_id], locked=set())

    pass_expiry(order_id)

    assert at_once([extend_late, free]) == [None, 0]
    assert (status_of(order_id), levels()) == ("HELD", (0, 2, 0))
    with pytest.raises(inventory.InsufficientStock):
        reserve(("MUG", 1))
