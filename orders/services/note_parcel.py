"""What an order notes of its parcel, in the transaction that the inbox has opened."""

from __future__ import annotations

import uuid

from django.db.models.functions import Now

from orders.events import (
    OrderDelivered,
    OrderShipped,
)
from orders.models import Order, OrderStatus
from shop import transactions
from shop.errors import Refusal
from shop.states import change_status


class RefundUnderWay(Refusal):
    """A delivery was heard of while the order's refund has not yet found that the parcel had left."""

    code = "refund_under_way"
    title = "The order's refund is still under way"
    fact_types = {"order_id": uuid.UUID}


def note_parcel_dispatched(*, order_id: uuid.UUID, carrier: str, tracking_number: str) -> None:
    """Move a confirmed order to SHIPPED, in the caller's transaction. Safe twice, late and after the delivery.

    While a refund is under way its saga asks shipping itself and finds the parcel gone; only the facts are kept then.
    """
    transactions.require("orders")
    Order.objects.filter(pk=order_id, tracking_number="").update(carrier=carrier, tracking_number=tracking_number)
    change_status(
        Order,
        order_id,
        expected={OrderStatus.CONFIRMED},
        event=OrderShipped(order_id=order_id, carrier=carrier, tracking_number=tracking_number),
    )


def note_parcel_delivered(*, order_id: uuid.UUID, carrier: str, tracking_number: str) -> None:
    """Move a shipped order to DELIVERED, in the caller's transaction; if the dispatch is not heard of yet, both.

    Raises: RefundUnderWay where the refund saga has yet to find out that the parcel left; the delivery waits.
    """
    note_parcel_dispatched(order_id=order_id, carrier=carrier, tracking_number=tracking_number)
    moved = change_status(
        Order,
        order_id,
        expected={OrderStatus.SHIPPED},
        event=OrderDelivered(order_id=order_id),
        closed_at=Now(),
    )
    if moved is None and Order.objects.filter(pk=order_id, status=OrderStatus.REFUNDING).exists():
        raise RefundUnderWay(order_id=str(order_id))
