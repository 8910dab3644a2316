"""The facts that customers are mailed about, as they travel, and emails that are due."""

import uuid
from datetime import timedelta

from django.db.models.functions import Now

from notifications.models import Email
from orders.events import OrderCanceled, OrderConfirmed, OrderRefunded, OrderRefundIssued, OrderShipped
from shop import clock
from shop.events.event import Envelope, Event
from shop.ids import derived_id, new_id
from shop.money import Money

ADDRESS = "ada@example.com"
TOTAL = Money(2500, "EUR")


FACTS = {
    "tell_customer_order_confirmed": lambda order_id: OrderConfirmed(order_id=order_id, total=TOTAL),
    "tell_customer_order_canceled": lambda order_id: OrderCanceled(order_id=order_id, reason="card_declined"),
    "tell_customer_parcel_left": lambda order_id: OrderShipped(order_id=order_id, carrier="DHL", tracking_number="T1"),
    "tell_customer_order_refunded": lambda order_id: OrderRefunded(order_id=order_id, total=TOTAL),
    "tell_customer_refund_issued": lambda order_id: OrderRefundIssued(
        order_id=order_id, refund_id=derived_id("first refund", order_id), amount=Money(500, "EUR")
    ),
}


def envelope_of(
    fact: Event, order_id: uuid.UUID, *, event_id: uuid.UUID | None = None, context: str = "orders"
) -> Envelope:
    """Return a fact about an order as it travels."""
    return Envelope(
        event_id=event_id or new_id(),
        type=fact.type,
        version=fact.version,
        context=context,
        aggregate_id=order_id,
        aggregate_version=4,
        occurred_at=clock.now(),
        data=fact.payload(),
    )


def make_due(email: Email) -> None:
    """Let the moment of the next attempt come."""
    Email.objects.filter(pk=email.pk, due_at__isnull=False).update(due_at=Now() - timedelta(seconds=1))
