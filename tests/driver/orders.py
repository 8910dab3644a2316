"""Orders brought somewhere by the use cases alone, time that passes for them, and how they stand."""

from __future__ import annotations

import uuid

from inventory import api as inventory
from inventory.models import Stock
from orders.models import Order, Saga
from orders.queries import Address
from orders.sagas.entry import place_order
from payments import api as payments
from shipping import api as shipping
from shipping.services import booking
from shop.events import relay
from tests.driver.factories import NewOrderFactory
from tests.driver.provider import Provider
from tests.driver.tables import execute

ADDRESS = Address(
    name="Ada Example", line1="1 Harbor Street", line2="", city="Lisbon", region="", postal_code="1100", country="PT"
)


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


def status_of(order_id: uuid.UUID) -> str:
    return str(Order.objects.get(pk=order_id).status)


def saga_of(order_id: uuid.UUID, name: str = "checkout") -> Saga:
    return Saga.objects.get(order_id=order_id, name=name)


def levels(sku: str = "MUG") -> tuple[int, int, int]:
    """Return what is available, reserved and sold."""
    stock = Stock.objects.get(product_id=sku)
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


def dispatch(order_id: uuid.UUID, *, tracking_number: str = "TRACK-1", tell: bool = True) -> None:
    """Have the parcel booked and leave; with `tell` orders hears of it."""
    relay.drain_all()
    booking.book_due_shipments()
    shipment = shipping.get_shipment(order_id=order_id)
    assert shipment is not None
    shipping.dispatch_shipment(shipment_id=shipment.shipment_id, tracking_number=tracking_number)
    if tell:
        relay.drain_all()
