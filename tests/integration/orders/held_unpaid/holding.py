"""Orders that hold stock without a payment, and what a refusal says of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from allauth.account.models import EmailAddress
from django.db import connections
from django.db.backends.utils import CursorWrapper

from orders.models import Contact, Order, OrderLine, Saga
from orders.queries import Address
from orders.services.held_unpaid import holder_keys
from shop import transactions
from tests.driver.factories import AddressFactory, OrderBodyFactory
from tests.driver.shopper import Shopper

# Of 156 pieces, a fifth is 31.
STOCK, MOST = 156, 31
ELSEWHERE: dict[str, Any] = {"line1": "2 Mill Lane", "city": "Porto", "postal_code": "4000"}
# A card whose bank asks its customer.
ASKS = "pm_card_authenticationRequired"


def hold(
    shopper: Shopper,
    quantity: int,
    *,
    key: str = "",
    sku: str = "VASE",
    address: Any = None,
    email: str = "",
    card: str = "",
    **headers: str,
) -> Any:
    """Order without a payment method, or with `card`."""
    body: dict[str, Any] = OrderBodyFactory(
        sku=sku, quantity=quantity, shipping_address=AddressFactory(**address or {})
    )
    del body["payment_method"]
    body |= ({"email": email} if email else {}) | ({"payment_method": card} if card else {})
    return shopper.post("orders", body, key=key, **headers)


def named(*order_ids: Any) -> list[dict[str, str]]:
    """Return orders as a refusal names them."""
    orders = [Order.objects.get(pk=order_id) for order_id in order_ids]
    return [{"order_id": str(order.pk), "number": order.number, "status": order.status} for order in orders]


def verify(shopper: Shopper, email: str) -> None:
    EmailAddress.objects.create(user=shopper.user, email=email, verified=True)


def recorded() -> list[int]:
    return [model._default_manager.count() for model in (Order, OrderLine, Contact, Saga)]


def code_of(answer: Any) -> str:
    return str(answer.json().get("code", answer.status_code))


@contextmanager
def address_of_orders() -> Iterator[CursorWrapper]:
    """Hold what an order without a payment method holds while it is being recorded, to the factory's address."""
    key = holder_keys(email="", address=Address(**{"line2": "", "region": "", **AddressFactory()})).address_key
    with transactions.transaction("orders"), connections[transactions.alias_for("orders")].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [key])
        yield cursor
