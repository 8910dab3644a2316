"""Asking for an order to be canceled: what customers and staff may still stop."""

from __future__ import annotations

import uuid

import structlog
from django.db.models.functions import Now

from orders.events import OrderCanceling, OrderRefunding
from orders.models import PAYABLE, SENT, Order, OrderStatus, Saga
from orders.queries import OrderNotFound
from orders.rules import CancelReason
from orders.services.held_unpaid import NO_KEYS
from orders.services.saga_store import lease
from shop import transactions
from shop.errors import Refusal
from shop.states import change_status, read_status

log = structlog.get_logger(__name__)


class OrderBeingConfirmed(Refusal):
    """The payment is authorized and the order is moments from confirmed: cancel it once it is."""

    code = "order_being_confirmed"
    title = "The order is being confirmed; ask again in a few seconds, then it can be canceled with a refund"
    fact_types = {"order_id": uuid.UUID}


class OrderAlreadyShipped(Refusal):
    """The parcel has left."""

    code = "order_already_shipped"
    title = "The parcel has left; the order can be returned, not canceled"
    fact_types = {"order_id": uuid.UUID}


class OrderIsCanceled(Refusal):
    """The order was canceled before it was paid, or before this payment method came; facts.cancel_reason says why."""

    code = "order_canceled"
    title = "The order was canceled"


def request_cancel(*, order_id: uuid.UUID, reason: CancelReason) -> str:
    """Ask for an order to be canceled; return the status it has now. Idempotent.

    Unpaid: it is unwound. Confirmed and not shipped: it is refunded and restocked.
    Raises: OrderNotFound, OrderBeingConfirmed, OrderAlreadyShipped.
    """
    with transactions.transaction("orders"):
        order = Order.objects.select_for_update().filter(pk=order_id).first()
        if order is None:
            raise OrderNotFound(order_id=str(order_id))
        status = read_status(OrderStatus, order.status)
        if status in PAYABLE:
            change_status(
                Order,
                order_id,
                expected={status},
                event=OrderCanceling(order_id=order_id, reason=reason),
                cancel_reason=reason,
                **NO_KEYS,
            )
            Saga.objects.filter(order_id=order_id, name="checkout", finished_at=None).update(
                due_at=Now() + lease(), waiting_for=""
            )
            status = OrderStatus.CANCELING
        elif status == OrderStatus.CONFIRMED:
            change_status(
                Order,
                order_id,
                expected={status},
                event=OrderRefunding(order_id=order_id, reason=reason),
                cancel_reason=reason,
            )
            Saga.objects.create(order_id=order_id, name="refund", due_at=Now() + lease())
            status = OrderStatus.REFUNDING
        elif status == OrderStatus.CONFIRMING:
            raise OrderBeingConfirmed(order_id=str(order_id))
        elif status in SENT:
            raise OrderAlreadyShipped(order_id=str(order_id))
    log.info("order.cancel_requested", order_id=str(order_id), status=str(status), reason=str(reason))
    return str(status)
