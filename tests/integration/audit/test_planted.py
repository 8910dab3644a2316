"""Each of these corruptions is planted by SQL in a healthy shop, and the audit names the order it is in and nothing else."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connections, transaction

from inventory import api as inventory
from notifications.models import Email
from orders.models import Order, Outbox
from orders.rules import CancelReason
from orders.sagas.entry import cancel_order, resume
from payments.models import Payment, Refund
from shipping.models import Shipment
from shop import audit, transactions
from shop.events import unheard
from tests.driver.ageing import grow_two_hours_older
from tests.driver.factories import ProductFactory, UserFactory
from tests.driver.orders import dispatch, placed, status_of
from tests.driver.provider import Provider
from tests.driver.shopper import Shopper, id_in
from tests.driver.tables import execute
from tests.integration.audit.corruptions.catalog import CORRUPTIONS
from tests.integration.audit.corruptions.corruption import (
    AWAITING,
    CANCELED,
    CONFIRMED,
    DELIVERED,
    HELD,
    IN_PART,
    PLACED,
    REFUNDED,
    SHIPPED,
    Corruption,
)

HOUR = timedelta(hours=1)


class Shop:
    """A healthy shop: one order of each kind, each of a product of its own, the finished ones two hours old."""

    def __init__(self, drain: Callable[[], None]) -> None:
        cache.clear()
        unheard.note_subscriptions()
        self._drain = drain
        self.orders: dict[str, uuid.UUID] = {}
        self.shopper = Shopper(UserFactory())
        names = ("orders.view_order", "orders.cancel_order", "orders.refund_order")
        self.staff = Shopper(UserFactory(is_staff=True, permissions=names))
        self._make_finished()
        grow_two_hours_older()
        self._make_waiting()

    def _make_finished(self) -> None:
        for name in (CONFIRMED, SHIPPED, DELIVERED, CANCELED, IN_PART, REFUNDED):
            card = "pm_card_chargeDeclinedStolenCard" if name == CANCELED else "pm_card_visa"
            order_id = self.orders[name] = id_in(self.shopper.place(sku=self._product(name), payment_method=card))
            self._drain()
            if name == SHIPPED:
                dispatch(order_id)
            if name == DELIVERED:
                self._let_arrive(order_id)
            if name == REFUNDED:
                cancel_order(order_id=order_id, reason=CancelReason.CUSTOMER_REQUEST)
            if name == IN_PART:
                amount = {"amount_minor": 100, "currency": "EUR"}
                answer = self.staff.post(f"orders/{order_id}/refunds", {"amount": amount, "reason": "a scratch"})
                assert answer.status_code == 201, answer.content
            self._drain()

    def _make_waiting(self) -> None:
        for name, card in ((PLACED, "pm_card_visa"), (AWAITING, "pm_card_authenticationRequired"), (HELD, "")):
            self.orders[name] = placed((self._product(name), 1), payment_method=card, customer_id=self.shopper.user.pk)
            if name != PLACED:
                resume(order_id=self.orders[name])
        # Still for longer than an order is excused for being on its way.
        execute(
            "orders",
            "UPDATE orders_order SET placed_at = now() - interval '1 minute' WHERE placed_at > now() - %s",
            HOUR,
        )

    def _product(self, name: str) -> str:
        return ProductFactory(sku=f"SKU-{name.replace(' ', '-')}", stock=10)

    def _let_arrive(self, order_id: uuid.UUID) -> None:
        """Have the carrier deliver a parcel that it has had for a year."""
        shipment_id = Shipment.objects.get(order_id=order_id).pk
        execute(
            "shipping",
            "UPDATE shipping_sandboxbooking SET booked_at = booked_at - interval '1 year' WHERE reference = %s",
            shipment_id,
        )
        execute("shipping", "UPDATE shipping_shipment SET due_at = now() WHERE id = %s", shipment_id)

    def words(self, name: str) -> dict[str, str]:
        """Return what a corruption may name of an order."""
        order_id = self.orders[name]
        fact = (
            Outbox.objects.filter(aggregate_id=order_id, type="order.confirmed")
            .values_list("event_id", flat=True)
            .first()
        )
        return {
            "id": str(order_id),
            "sku": f"SKU-{name.replace(' ', '-')}",
            "customer": str(self.shopper.user.pk),
            "shipment": str(Shipment.objects.filter(order_id=order_id).values_list("pk", flat=True).first() or ""),
            "intent": str(Payment.objects.filter(pk=order_id).values_list("intent_id", flat=True).first() or ""),
            "confirmed_fact": str(fact or ""),
        }

    def ids(self, name: str) -> set[str]:
        """Return every id by which the audit may call an order, its parcel, its emails, its facts or its product."""
        order_id = self.orders[name]
        words = self.words(name)
        found = {words["id"], words["sku"], words["shipment"], words["intent"]}
        found |= {str(pk) for pk in Email.objects.filter(order_id=order_id).values_list("pk", flat=True)}
        found |= {str(pk) for pk in Refund.objects.filter(payment_id=order_id).values_list("pk", flat=True)}
        found |= {str(pk) for pk in Outbox.objects.filter(aggregate_id=order_id).values_list("event_id", flat=True)}
        return found - {""}


@pytest.fixture
def shop(sandbox: Provider, drain: Callable[[], None], settings: Any) -> Shop:
    settings.SANDBOX_CARRIER_TRANSIT_SECONDS = 86_400.0
    return Shop(drain)


def found(*, of_the_provider: bool = False) -> list[tuple[str, audit.Violation]]:
    """Return what the audit finds, with the title of the check; the provider is not asked in a transaction."""
    asked = {"at most one capture per order at the provider", "the provider's book and ours agree to the cent"}
    wanted = [check for check in audit.checks() if of_the_provider or check.title not in asked]
    return [(check.title, each) for _group, finds in audit.look(wanted) for check, each in finds]  # type: ignore[misc]


@contextmanager
def undone() -> Iterator[None]:
    """Undo whatever the block writes to any database."""
    with ExitStack() as exits:
        for alias in connections:
            exits.enter_context(transaction.atomic(using=alias))
        yield
        for alias in connections:
            transaction.set_rollback(True, using=alias)


def plant(corruption: Corruption, words: dict[str, str]) -> None:
    sql = corruption.sql
    for name, value in words.items():
        sql = sql.replace(f"{{{name}}}", value)
    with connections[transactions.alias_for(corruption.where)].cursor() as cursor:
        cursor.execute(f"SET LOCAL session_replication_role = replica; {sql}")
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")


def test_a_healthy_shop_has_no_violation(shop: Shop):
    assert found(of_the_provider=True) == []
    assert {name: status_of(order_id) for name, order_id in shop.orders.items()} == {
        CONFIRMED: "CONFIRMED",
        SHIPPED: "SHIPPED",
        DELIVERED: "DELIVERED",
        CANCELED: "CANCELED",
        IN_PART: "CONFIRMED",
        REFUNDED: "REFUNDED",
        PLACED: "PENDING",
        AWAITING: "AWAITING_PAYMENT",
        HELD: "AWAITING_PAYMENT",
    }
    assert inventory.get_reservation(order_id=shop.orders[HELD]).status == "HELD"
    assert Order.objects.count() == len(shop.orders)


def test_each_corruption_is_named_and_nothing_else(shop: Shop):
    wrong = []
    for corruption in CORRUPTIONS:
        with undone():
            ids = {corruption.about} if corruption.about else shop.ids(corruption.order)
            plant(corruption, shop.words(corruption.order))
            named = found()
        what = f"{corruption.where}: {corruption.sql}"
        if corruption.title not in {title for title, _each in named}:
            wrong.append(f"NOT NAMED by {corruption.title!r}: {what}; named: {named}")
        for title, each in named:
            if not any(word in each.subject for word in ids) and not any(word in each.detail for word in ids):
                wrong.append(f"NAMED BESIDES by {title!r}: {each} of {what}")

    assert not wrong, "\n\n".join(wrong)
    assert len(CORRUPTIONS) >= 60


def test_every_check_of_the_database_has_a_corruption_that_it_names():
    """A check that nothing is planted for may be blind; those of the provider are tested with its books."""
    asked = {"at most one capture per order at the provider", "the provider's book and ours agree to the cent"}

    assert {check.title for check in audit.checks()} - asked == {corruption.title for corruption in CORRUPTIONS}
