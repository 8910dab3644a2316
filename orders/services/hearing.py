"""What orders notes of the facts of others, in the transaction that the inbox has opened."""

from __future__ import annotations

import uuid

from django.db.models.functions import Now

from orders.events import (
    OrderDelivered,
    OrderRefundIssued,
    OrderRefundReturned,
    OrderShipped,
)
from orders.models import Order, OrderStatus
from orders.rules import is_full_refund
from shop import transactions
from shop.errors import Refusal
from shop.events.outbox import publish
from shop.money import Money
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
        to=OrderStatus.SHIPPED,
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
        to=OrderStatus.DELIVERED,
        event=OrderDelivered(order_id=order_id),
        closed_at=Now(),
    )
    if moved is None and Order.objects.filter(pk=order_id, status=OrderStatus.REFUNDING).exists():
        raise RefundUnderWay(order_id=str(order_id))


def announce_partial_refund(*, order_id: uuid.UUID, refund_id: uuid.UUID, amount: Money, again: bool = False) -> None:
    """Publish that money of a paid order went back, in the caller's transaction; however late it is heard.

    The refund that cancels an order is told by order.refunded, and money that went back while an unpaid order was
    unwound by order.canceled. `again`: what the bank had returned was refunded once more, which neither of them told.
    """
    transactions.require("orders")
    unwound = () if again else (OrderStatus.CANCELING, OrderStatus.CANCELED)
    order = Order.objects.select_for_update().filter(pk=order_id).exclude(status__in=unwound).first()
    if order is not None and not is_full_refund(refund_id, order_id):
        publish(
            OrderRefundIssued(order_id=order_id, refund_id=refund_id, amount=amount),
            aggregate_id=order_id,
            aggregate_version=order.version,
        )


def announce_returned_refund(*, order_id: uuid.UUID, refund_id: uuid.UUID, amount: Money) -> None:
    """Publish that a refund came back which the customer was told of, in the caller's transaction.

    An order that is still being canceled or refunded has told nothing of it, and its saga refunds the money once more.
    """
    transactions.require("orders")
    order = Order.objects.select_for_update().filter(pk=order_id).exclude(status=OrderStatus.CANCELING).first()
    if order is None or (order.status == OrderStatus.REFUNDING and is_full_refund(refund_id, order_id)):
        return
    publish(
        OrderRefundReturned(order_id=order_id, refund_id=refund_id, amount=amount),
        aggregate_id=order_id,
        aggregate_version=order.version,
    )
