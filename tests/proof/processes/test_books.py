"""The books as they are read of a real shop at rest: the checker finds nothing wrong in them, and sees what is planted."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection

from shop import clock
from shop.contexts import CONTEXTS
from tests.driver.factories import OrderBodyFactory
from tests.driver.provider import Provider, sandbox
from tests.driver.shop import mug, settle, shop_at_rest, shopper
from tests.driver.shopper import Shopper, id_in
from tests.driver.tables import execute
from tests.proof.processes.books import (
    Books,
    count_of_orders,
    read_books,
    unfinished,
    unknown_payments,
)
from tests.proof.processes.checker import judge

__all__ = ["mug", "sandbox", "settle", "shop_at_rest", "shopper"]

pytestmark = pytest.mark.skipif(
    os.environ.get("TEST_DATABASES") == "five",
    reason="the campaign's shop has one database, whose books are read at once",
)
FORGOTTEN = "UPDATE shipping_sandboxbooking SET voided_at = NULL"
ONE_MORE = "INSERT INTO shipping_sandboxbooking (reference) SELECT id FROM shipping_shipment"
NO_MAIL = "DELETE FROM notifications_email WHERE kind = 'order_confirmed'"
Read = Callable[[], tuple[Any, Books]]


class Open:
    """What a campaign's shop shows of itself, of the shop under test."""

    def __init__(self, provider: Provider) -> None:
        self.sandbox = provider.control

    @contextmanager
    def snapshot(self) -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
        yield self.rows

    def rows(self, statement: str, parameters: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return list(cursor.fetchall())


@pytest.fixture
def at_rest(shopper: Shopper, sandbox: Provider, drain: Callable[[], None], settings: Any) -> Read:
    """Return a function that reads the books after: one order kept, one declined, one canceled, one given back."""
    settings.SANDBOX_CARRIER_TRANSIT_SECONDS = 3600.0
    kept = shopper.place()
    declined = shopper.post("orders", OrderBodyFactory(payment_method="pm_card_chargeDeclinedStolenCard"))
    waits = shopper.post("orders", OrderBodyFactory(payment_method="pm_card_authenticationRequired"))
    refunded = shopper.place()
    drain()
    for canceled in (waits, refunded):
        assert shopper.post(f"orders/{id_in(canceled)}/cancel").status_code == 200
    drain()
    assert (kept.status_code, declined.status_code) == (201, 402)
    opened: Any = Open(sandbox)

    def read() -> tuple[Any, Books]:
        for context in CONTEXTS:
            execute(context, f"UPDATE {context}_outbox SET occurred_at = occurred_at - interval '1 minute'")
        return opened, read_books(opened, rested_at=clock.now())

    return read


def test_the_books_of_a_shop_at_rest_are_right(at_rest: Read):
    opened, books = at_rest()

    assert judge([], books) == []
    assert sorted((order.status, order.bookings, *order.mails) for order in books.orders) == [
        ("CANCELED", 0, "order_canceled"),
        ("CANCELED", 0, "order_canceled"),
        ("CONFIRMED", 1, "order_confirmed"),
        ("REFUNDED", 0, "order_confirmed", "order_refunded"),
    ]
    assert not any(order.is_moving for order in books.orders)
    assert list(unfinished(opened, before=clock.now())) == []
    assert (count_of_orders(opened), unknown_payments(opened)) == (4, 0)


@pytest.mark.parametrize(
    ("context", "planted", "named"),
    [
        ("shipping", ONE_MORE, "is CONFIRMED and was booked 2 times"),
        ("shipping", FORGOTTEN, "is REFUNDED and the carrier has 1 bookings for it"),
        ("notifications", NO_MAIL, "is CONFIRMED with the mails none; it must be order_confirmed"),
    ],
)
def test_what_is_wrong_in_the_tables_is_read(context: str, planted: str, named: str, at_rest: Read):
    execute("shipping", "UPDATE shipping_shipment SET due_at = NULL WHERE status = 'CANCELED'")
    execute(context, planted)

    found = judge([], at_rest()[1])

    assert any(named in wrong for wrong in found), found


@pytest.mark.makes_facts_up
def test_what_has_just_happened_to_an_order_is_on_its_way(at_rest: Read):
    execute("notifications", NO_MAIL)
    execute("orders", "UPDATE orders_outbox SET occurred_at = now() + interval '2 minutes'")

    books = at_rest()[1]

    assert all(order.is_moving for order in books.orders)
    assert [wrong for wrong in judge([], books) if "mails" in wrong] == []


def test_a_booking_that_is_still_looked_for_is_on_its_way(at_rest: Read):
    execute("shipping", FORGOTTEN)

    found = judge([], at_rest()[1])

    assert found == []


@pytest.mark.parametrize("fault", ["lost_answer", "error_500_after_effect"])
def test_a_payment_that_was_unknown_is_counted_also_once_it_is_known(
    fault: str, shopper: Shopper, sandbox: Provider, settle: Callable[[], None]
):
    match = {"method": "POST", "path": "/v1/payment_intents/*/confirm"}
    sandbox.control("POST", "faults", {"fault": fault, "match": match})
    placed = shopper.place()
    opened: Any = Open(sandbox)

    settle()

    assert placed.status_code == 202
    assert shopper.get(f"orders/{id_in(placed)}").json()["payment"]["status"] == "CAPTURED"
    assert unknown_payments(opened) == 1
