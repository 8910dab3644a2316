"""Refunds of an order, beside the one that cancels it: which are refused, and what the world is told of them."""

from __future__ import annotations

import uuid

from orders.events import OrderRefundIssued, OrderRefundReturned
from orders.models import NEVER_PAID, Order, OrderStatus
from orders.rules import is_full_refund
from shop import transactions
from shop.errors import Refusal
from shop.events.publishing import publish
from shop.money import Money


class NotRefundable(Refusal):
    """No money of this order can be returned in part: it holds none, or it is all on its way back."""

    code = "order_not_refundable"
    title = "Only a confirmed, shipped or delivered order, or one whose refund came back, can be refunded in part"
    fact_types = {"order_id": uuid.UUID, "status": str}


def announce_partial_refund(*, order_id: uuid.UUID, refund_id: uuid.UUID, amount: Money, again: bool = False) -> None:
    """Publish that money of a paid order went back, in the caller's transaction; however late it is heard.

    The refund that cancels an order is told by order.refunded, and money that went back while an unpaid order was
    unwound by order.canceled. `again`: what the bank had returned was refunded once more, which neither of them told.
    """
    transactions.require("orders")
    unwound = () if again else NEVER_PAID
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
