"""A shop with mugs, customers who speak HTTP, a running Stripe sandbox; after each test the audit must be clean."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.apps import apps
from django.core.cache import cache
from django.db import connections, router
from django.test import Client

from inventory import api as inventory
from inventory.models import Outbox as InventoryOutbox
from inventory.models import Product, Stock, StockMovement
from orders.gateways import inventory_breaker
from orders.models import Order, Saga
from orders.queries import Address
from orders.rules import CancelReason
from orders.sagas.entry import cancel_order, place_order, resume
from payments import api as payments
from shipping import api as shipping
from shipping.services import booking
from shop import audit, transactions
from shop.contexts import CONTEXTS
from shop.events import relay
from shop.models import IdempotencyKey, User
from tests.factories import NewOrderFactory, OrderBodyFactory, ProductFactory, UserFactory
from tests.provider import Provider, post_webhook, sandbox
from tests.sql_guard import housekeeping
from tests.tokens import token_of

__all__ = ["post_webhook", "sandbox"]

ADDRESS = Address(
    name="Ada Example", line1="1 Harbor Street", line2="", city="Lisbon", region="", postal_code="1100", country="PT"
)


@pytest.fixture(autouse=True)
def shop_at_rest(sandbox: Provider, settings: Any, request: pytest.FixtureRequest) -> Iterator[None]:
    """Begin with closed breakers and no rate limits; end with a clean audit of everything that was done.

    A test that makes facts up, of orders that never were, is marked so: the audit would name them.
    """
    cache.clear()
    inventory_breaker.reset()
    yield
    inventory_breaker.reset()
    sandbox.heal()
    if request.node.get_closest_marker("makes_facts_up") is None and not is_untouched(sandbox):
        assert violations() == []


def is_untouched(provider: Provider) -> bool:
    """Return whether there is nothing to audit: goods on the shelves and no more, as after a request that was refused."""
    shelves = {Product, Stock, StockMovement, InventoryOutbox}
    judged = [
        model for context in CONTEXTS for model in apps.get_app_config(context).get_models() if model not in shelves
    ]
    tables: dict[str, list[str]] = {}
    for model in (*judged, IdempotencyKey):
        tables.setdefault(router.db_for_write(model), []).append(f"EXISTS (SELECT FROM {model._meta.db_table})")
    with housekeeping():
        for alias, kept in tables.items():
            with connections[alias].cursor() as cursor:
                cursor.execute("SELECT " + " OR ".join(kept))
                if cursor.fetchone()[0]:
                    return False
    return not provider.stripe.v1.payment_intents.list({"limit": 1}).data


def violations() -> list[str]:
    """Return what the audit finds, with everything that finished counted as at rest."""
    execute(
        "orders", "UPDATE orders_saga SET finished_at = finished_at - interval '1 hour' WHERE finished_at IS NOT NULL"
    )
    return [f"{found.promise} {found.subject}: {found.detail}" for found in audit.violations()]


class Shopper:
    """A customer's storefront: signed in, speaking HTTP."""

    def __init__(self, user: User | None = None) -> None:
        self.user = user
        self.client = Client()
        self.headers: dict[str, str] = {}
        if user is not None:
            self.headers = {"Authorization": f"Bearer {token_of(user)}"}

    def post(self, path: str, body: Any = None, *, key: str = "", **headers: str) -> Any:
        content = body if isinstance(body, (str, bytes)) else json.dumps({} if body is None else body)
        headers = self.headers | {"Idempotency-Key": key or str(uuid.uuid4())} | headers
        return self.client.post(
            f"/api/v1/{path}", content, content_type="application/json", headers={k: v for k, v in headers.items() if v}
        )

    def get(self, path: str, **headers: str) -> Any:
        return self.client.get(f"/api/v1/{path}", headers=self.headers | headers)

    def place(self, *, key: str = "", headers: dict[str, str] | None = None, **body: Any) -> Any:
        return self.post("orders", OrderBodyFactory(**body), key=key, **(headers or {}))

    def pay(self, order_id: uuid.UUID | str, payment_method: str = "", *, key: str = "") -> Any:
        body = {"payment_method": payment_method} if payment_method else {}
        return self.post(f"orders/{order_id}/payment", body, key=key)

    def cancel(self, order_id: uuid.UUID | str, *, key: str = "", **headers: str) -> Any:
        return self.post(f"orders/{order_id}/cancel", {}, key=key, **headers)

    def extend(self, order_id: uuid.UUID | str, *, key: str = "", **headers: str) -> Any:
        return self.post(f"orders/{order_id}/extend-hold", {}, key=key, **headers)

    def order(self, order_id: uuid.UUID | str) -> dict[str, Any]:
        answer = self.get(f"orders/{order_id}")
        assert answer.status_code == 200, answer.content
        found: dict[str, Any] = answer.json()
        return found


def id_in(answer: Any) -> uuid.UUID:
    """Return the order that an answer names, whatever became of it."""
    body = answer.json()
    return uuid.UUID(body["id"] if "id" in body else body["facts"]["order_id"])


@pytest.fixture
def mug(database: None) -> str:
    return ProductFactory(sku="MUG", stock=10)


@pytest.fixture
def shopper(mug: str) -> Shopper:
    return Shopper(UserFactory())


@pytest.fixture
def staff(database: None) -> Shopper:
    names = ("orders.view_order", "orders.cancel_order", "orders.refund_order")
    return Shopper(UserFactory(is_staff=True, permissions=names))


@pytest.fixture
def settle(drain: Callable[[], None]) -> Callable[[], None]:
    """Let the moment of everything that waits come, and go on until nothing moves any more."""

    def run() -> None:
        for _round in range(3):
            make_due()
            drain()

    return run


def make_due() -> None:
    """Let every backoff, lease and look-again pass."""
    for context, table in (
        ("orders", "orders_saga"),
        ("orders", "orders_inbox"),
        ("payments", "payments_payment"),
        ("payments", "payments_refund"),
        ("payments", "payments_dispute"),
        ("payments", "payments_webhookevent"),
        ("shipping", "shipping_shipment"),
        ("shipping", "shipping_surplusbooking"),
    ):
        execute(context, f"UPDATE {table} SET due_at = now() WHERE due_at IS NOT NULL")


def pass_deadline(order_id: uuid.UUID) -> None:
    """Turn the clock past the order's payment deadline, by moving the deadline."""
    execute("orders", "UPDATE orders_order SET pay_before = now() - interval '1 second' WHERE id = %s", order_id)
    execute("orders", "UPDATE orders_saga SET due_at = now() WHERE order_id = %s AND due_at IS NOT NULL", order_id)


def execute(context: str, sql: str, *parameters: Any) -> None:
    with connections[transactions.alias_for(context)].cursor() as cursor:
        cursor.execute(sql, parameters)


@contextmanager
def table_away(context: str, table: str) -> Iterator[None]:
    """Take a table away for a while: whoever needs it fails."""
    execute(context, f"ALTER TABLE {table} RENAME TO {table}_away")
    try:
        yield
    finally:
        execute(context, f"ALTER TABLE {table}_away RENAME TO {table}")


def status_of(order_id: uuid.UUID) -> str:
    return str(Order.objects.get(pk=order_id).status)


def saga_of(order_id: uuid.UUID, name: str = "checkout") -> Saga:
    return Saga.objects.get(order_id=order_id, name=name)


def levels(sku: str = "MUG") -> tuple[int, int, int]:
    """Return what is available, reserved and sold."""
    stock = Stock.objects.get(pk=sku)
    return stock.available, stock.reserved, stock.sold


def reservation(order_id: uuid.UUID) -> str:
    found = inventory.get_reservation(order_id=order_id)
    return found.status if found else ""


def payment(order_id: uuid.UUID) -> str:
    found = payments.get_payment(order_id=order_id)
    return found.status if found else ""


def placed(
    *lines: tuple[str, int], payment_method: str = "pm_card_visa", customer_id: uuid.UUID | None = None
) -> uuid.UUID:
    """Record an order and walk it no further."""
    new = NewOrderFactory(
        customer_id=customer_id or uuid.uuid4(),
        lines=lines or (("MUG", 1),),
        email="ada@shop.example",
        shipping_address=ADDRESS,
        payment_method=payment_method,
    )
    return place_order(new=new, inline=False).order_id


def sent_back(sandbox: Provider, order_id: uuid.UUID) -> None:
    """Have the customer's bank return every pending refund of an order, days later."""
    for refund in sandbox.stripe.v1.refunds.list({"payment_intent": sandbox.intent(order_id).id}).data:
        sandbox.control("POST", f"refunds/{refund.id}/settle", {"outcome": "fail"})
    payments.refresh_payment(order_id=order_id)


STATUSES = (
    "PENDING",
    "AWAITING_PAYMENT",
    "CONFIRMING",
    "CONFIRMED",
    "SHIPPED",
    "DELIVERED",
    "CANCELING",
    "CANCELED",
    "REFUNDING",
    "REFUNDED",
)


@pytest.fixture
def order_in(shopper: Shopper, sandbox: Provider, drain: Callable[[], None]) -> Callable[[str], uuid.UUID]:
    """Return a function that brings an order of `shopper` into a status, by use cases and lost requests alone."""

    def bring(status: str) -> uuid.UUID:
        unpaid = {"AWAITING_PAYMENT", "CANCELING", "CANCELED"}
        card = "pm_card_authenticationRequired" if status in unpaid else "pm_card_visa"
        if status == "CONFIRMING":
            sandbox.fail("lost_request", "/v1/payment_intents/*/capture")
        order_id = placed(payment_method=card, customer_id=shopper.user.pk)
        if status != "PENDING":
            resume(order_id=order_id)
        if status in {"SHIPPED", "DELIVERED"}:
            dispatch(order_id)
        if status == "DELIVERED":
            drain()
        if status == "CANCELING":
            sandbox.fail("lost_request", "/v1/payment_intents/*/cancel")
        if status == "REFUNDING":
            sandbox.fail("lost_request", "/v1/refunds")
        if status in {"CANCELING", "REFUNDING", "REFUNDED", "CANCELED"}:
            cancel_order(order_id=order_id, reason=CancelReason.CUSTOMER_REQUEST)
        assert status_of(order_id) == status
        return order_id

    return bring


def dispatch(order_id: uuid.UUID, *, tracking_number: str = "TRACK-1", tell: bool = True) -> None:
    """Have the parcel booked and leave; with `tell` orders hears of it."""
    relay.drain_all()
    booking.book_due_shipments()
    shipment = shipping.get_shipment(order_id=order_id)
    assert shipment is not None
    shipping.dispatch_shipment(shipment_id=shipment.shipment_id, tracking_number=tracking_number)
    if tell:
        relay.drain_all()
