"""A shop with mugs, customers who speak HTTP, a running Stripe sandbox; after each test the audit must be clean."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from django.apps import apps
from django.core.cache import cache
from django.db import connections, router
from django.db.models import Model

from inventory.models import Outbox as InventoryOutbox
from inventory.models import Product, Stock, StockMovement
from orders.gateways import inventory_breaker
from orders.rules import CancelReason
from orders.sagas.entry import cancel_order, resume
from shop import audit
from shop.contexts import CONTEXTS
from shop.models import IdempotencyKey
from tests.driver.factories import ProductFactory, UserFactory
from tests.driver.orders import dispatch, make_due, placed, status_of
from tests.driver.provider import Provider
from tests.driver.shopper import Shopper
from tests.driver.tables import execute
from tests.sql_guard import housekeeping


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
    shelves: set[type[Model]] = {Product, Stock, StockMovement, InventoryOutbox}
    judged: list[type[Model]] = [
        *(model for context in CONTEXTS for model in apps.get_app_config(context).get_models() if model not in shelves),
        IdempotencyKey,
    ]
    tables: dict[str, list[str]] = {}
    for model in judged:
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


def come_to_rest(drain: Callable[[], None]) -> None:
    """Let the moment of everything that waits come, and go on until nothing moves any more."""
    for _round in range(3):
        make_due()
        drain()


@pytest.fixture
def settle(drain: Callable[[], None]) -> Callable[[], None]:
    """Let the shop come to rest."""
    return partial(come_to_rest, drain)


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
