"""A primary that became a standby takes no orders: that is an outage, not a bug, and its sessions are left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from django.db import OperationalError, connections
from psycopg import errors

from orders.models import Order
from orders.sagas.entry import resume
from shop import transactions
from tests.driver.orders import placed, status_of
from tests.driver.shopper import Shopper, id_in


@pytest.fixture
def become_standby() -> Iterator[Callable[[], None]]:
    """Return a function that has this thread's session refuse to write, as a server does that was demoted."""
    connection = connections[transactions.alias_for("orders")]

    def demote() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = on")

    yield demote
    connection.close()


def test_an_order_is_503_and_the_next_one_finds_the_new_primary(
    shopper: Shopper, become_standby: Callable[[], None], settle: Callable[[], None]
):
    become_standby()

    refused = shopper.place(key="K")

    assert (refused.status_code, refused.json()["code"]) == (503, "database_unavailable")
    assert int(refused["Retry-After"]) > 0
    assert Order.objects.count() == 0
    assert shopper.place(key="K").status_code == 201
    settle()


def test_a_walk_is_put_off_and_counts_as_no_bug(
    shopper: Shopper,
    become_standby: Callable[[], None],
    settle: Callable[[], None],
    caplog: pytest.LogCaptureFixture,
):
    order_id = id_in(shopper.place(headers={"Prefer": "respond-async"}))
    become_standby()

    with suppress(OperationalError):  # where it is not inventory's session, whose door makes a Fault of it
        resume(order_id=order_id)

    assert "saga.bug" not in caplog.text
    settle()
    assert status_of(order_id) == "DELIVERED"


def test_in_a_transaction_everything_is_rolled_back_and_the_session_closed(
    shopper: Shopper, become_standby: Callable[[], None]
):
    placed(customer_id=shopper.user.pk)
    before = connections[transactions.alias_for("orders")].connection
    become_standby()

    with pytest.raises(OperationalError) as told, transactions.transaction("orders"):
        Order.objects.update(version=99)

    assert isinstance(told.value.__cause__, errors.ReadOnlySqlTransaction)
    assert before.closed
    assert Order.objects.get().version == 1
