"""The customer's bank, as a test has it dispute an order's payment, and what is owed to somebody then."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from inventory.models import StockMovement
from orders.sagas.entry import resume
from payments import api as payments
from payments import tasks
from payments.models import Payment
from shipping import api as shipping
from shop.events import relay
from shop.observability.metrics import gauges
from tests.driver.orders import placed, status_of
from tests.driver.provider import Provider, post_signed
from tests.driver.shop import violations
from tests.driver.shopper import Shopper


class Bank:
    """The customer's bank, and the provider's word of what it decides."""

    def __init__(self, sandbox: Provider, drain: Callable[[], None]) -> None:
        self.sandbox, self.drain = sandbox, drain

    def dispute(self, order_id: uuid.UUID, **asked: Any) -> str:
        intent_id = self.sandbox.intent(order_id).id
        dispute_id: str = self.sandbox.control("POST", f"payment_intents/{intent_id}/dispute", asked)["id"]
        self.tell()
        return dispute_id

    def decide(self, dispute_id: str, outcome: str) -> None:
        self.sandbox.control("POST", f"disputes/{dispute_id}/settle", {"outcome": outcome})
        self.tell()

    def tell(self) -> None:
        for event in self.sandbox.events("charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed"):
            post_signed(event)
        tasks.apply_webhooks()
        relay.drain_all()
        self.drain()


def confirmed(shopper: Shopper) -> uuid.UUID:
    order_id = placed(customer_id=shopper.user.pk)
    resume(order_id=order_id)
    assert status_of(order_id) == "CONFIRMED"
    return order_id


def times_given_back(order_id: uuid.UUID) -> int:
    """Return how often the stock of an order went back on the shelf."""
    return StockMovement.objects.filter(order_id=order_id, available_delta__gt=0).count()


def parcel(order_id: uuid.UUID) -> str:
    found = shipping.get_shipment(order_id=order_id)
    assert found is not None
    return found.status


def owed(order_id: uuid.UUID) -> tuple[int, float]:
    """Return what the payment says is owed, and what the alert looks at."""
    (gauge,) = [each for each in gauges() if each.name == "shop_payments_owed"]
    state = payments.get_payment(order_id=order_id)
    assert state is not None
    return state.owed.minor, gauge.read()[()]


def promises_broken_without_the_list(order_id: uuid.UUID) -> set[str]:
    """Return which promises the audit finds broken while what is owed stands in no list."""
    owes = Payment.objects.filter(pk=order_id).values_list("owed_minor", flat=True).get()
    Payment.objects.filter(pk=order_id).update(owed_minor=0)
    found = {found.partition(" ")[0] for found in violations()}
    Payment.objects.filter(pk=order_id).update(owed_minor=owes)
    return found
