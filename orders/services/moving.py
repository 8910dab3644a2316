"""The saga's moves of an order: forward, turned around, and what customers and staff ask for."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import msgspec
import structlog
from django.db.models.functions import Now

from orders import metrics
from orders.events import (
    OrderAwaitingPayment,
    OrderCanceled,
    OrderCanceling,
    OrderConfirmed,
    OrderConfirming,
    OrderRefunded,
    OrderRefunding,
    OrderShipped,
)
from orders.models import Order, OrderStatus, Saga
from orders.queries import OrderNotFound, OrderProgress
from orders.rules import CancelReason
from orders.services.holding import NO_KEYS
from orders.services.saga_rows import close_saga, lease
from shop import transactions
from shop.errors import Refusal
from shop.events.event import Event
from shop.events.outbox import announce, fact
from shop.statements import Statement
from shop.states import change_status

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


class NotPayable(Refusal):
    """The order does not wait for a payment method."""

    code = "order_not_payable"
    title = "This order does not wait for a payment method"
    fact_types = {"order_id": uuid.UUID, "status": str}


class NotRefundable(Refusal):
    """No money of this order can be returned in part: it holds none, or it is all on its way back."""

    code = "order_not_refundable"
    title = "Only a confirmed, shipped or delivered order, or one whose refund came back, can be refunded in part"
    fact_types = {"order_id": uuid.UUID, "status": str}


_EVENT_OF_MOVE: dict[str, Callable[[OrderProgress], Event]] = {
    OrderStatus.AWAITING_PAYMENT: lambda order: OrderAwaitingPayment(order_id=order.order_id),
    OrderStatus.CONFIRMING: lambda order: OrderConfirming(order_id=order.order_id),
    OrderStatus.CONFIRMED: lambda order: OrderConfirmed(order_id=order.order_id, total=order.total),
    OrderStatus.CANCELED: lambda order: OrderCanceled(order_id=order.order_id, reason=order.cancel_reason),
    OrderStatus.REFUNDED: lambda order: OrderRefunded(order_id=order.order_id, total=order.total),
}


_ADVANCE_ORDER = Statement("orders", "advance_order")


def advance_order(*, order: OrderProgress, to: str, saga: str, steps: list[dict[str, Any]], ends_saga: bool) -> bool:
    """Move an order from the status that the saga saw to the next one; close the saga where that ends it.

    Returns False where somebody else moved the order first: the saga looks again.
    """
    Order.TRANSITIONS.check(order.standing, to)
    event = _EVENT_OF_MOVE[to](order)
    with transactions.single("orders"):
        # Lost in a crash, the saga is open and takes the same step again. What follows waits for the disk: the commit
        # of the stock before a capture, the rest of the saga's row, the answer before the customer gets it.
        moved = _ADVANCE_ORDER.one(
            asynchronous=True,
            order_id=order.order_id,
            expected=order.standing,
            to=str(to),
            ends_saga=saga if ends_saga else "",
            steps=msgspec.json.encode(steps).decode(),
            **fact(event),
        )
        if moved is not None:
            announce(event)
    if moved is None:
        return False
    version, confirmed_at, _commits = moved
    order.note_move(to=str(to), version=version, confirmed_at=confirmed_at)
    log.info(event.type, order_id=str(order.order_id), version=version)
    if ends_saga:
        metrics.count_outcome(outcome=order.cancel_reason or str(to).lower(), placed_at=order.placed_at)
    return True


def refuse_order(
    *,
    order: OrderProgress,
    reason: CancelReason,
    facts: dict[str, Any],
) -> bool:
    """Turn an order around: from here it is unwound. Returns False where somebody else moved it first."""
    with transactions.single("orders"):
        version = change_status(
            Order,
            order.order_id,
            expected=order.standing,
            to=OrderStatus.CANCELING,
            event=OrderCanceling(order_id=order.order_id, reason=reason),
            cancel_reason=reason,
            refusal=facts,
            **NO_KEYS,
        )
    if version is None:
        return False
    order.status, order.stored, order.cancel_reason, order.known = str(OrderStatus.CANCELING), "", reason, None
    log.info("order.canceling", order_id=str(order.order_id), reason=str(reason))
    return True


def ship_instead(*, order: OrderProgress, carrier: str, tracking_number: str, steps: list[dict[str, Any]]) -> bool:
    """End a refund whose parcel had left before it could be stopped: the order is SHIPPED, no money moves."""
    with transactions.transaction("orders"):
        version = change_status(
            Order,
            order.order_id,
            expected={OrderStatus.REFUNDING},
            to=OrderStatus.SHIPPED,
            event=OrderShipped(order_id=order.order_id, carrier=carrier, tracking_number=tracking_number),
            cancel_reason="",
            carrier=carrier,
            tracking_number=tracking_number,
        )
        if version is not None:
            close_saga(order.order_id, "refund", steps)
    return version is not None


def request_cancel(*, order_id: uuid.UUID, reason: CancelReason) -> str:
    """Ask for an order to be canceled; return the status it has now. Idempotent.

    Unpaid: it is unwound. Confirmed and not shipped: it is refunded and restocked.
    Raises: OrderNotFound, OrderBeingConfirmed, OrderAlreadyShipped.
    """
    with transactions.transaction("orders"):
        order = Order.objects.select_for_update().filter(pk=order_id).first()
        if order is None:
            raise OrderNotFound(order_id=str(order_id))
        status = OrderStatus(order.status)
        if status in (OrderStatus.PENDING, OrderStatus.AWAITING_PAYMENT):
            change_status(
                Order,
                order_id,
                expected={status},
                to=OrderStatus.CANCELING,
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
                to=OrderStatus.REFUNDING,
                event=OrderRefunding(order_id=order_id, reason=reason),
                cancel_reason=reason,
            )
            Saga.objects.create(order_id=order_id, name="refund", due_at=Now() + lease())
            status = OrderStatus.REFUNDING
        elif status == OrderStatus.CONFIRMING:
            raise OrderBeingConfirmed(order_id=str(order_id))
        elif status in (OrderStatus.SHIPPED, OrderStatus.DELIVERED):
            raise OrderAlreadyShipped(order_id=str(order_id))
    log.info("order.cancel_requested", order_id=str(order_id), status=str(status), reason=str(reason))
    return str(status)


def provide_payment_method(*, order_id: uuid.UUID, payment_method: str) -> None:
    """Give an unpaid order the provider's token to pay with. The first one given stays; giving it again changes nothing.

    Raises: OrderNotFound, NotPayable.
    """
    with transactions.transaction("orders"):
        order = Order.objects.select_for_update().filter(pk=order_id).first()
        if order is None:
            raise OrderNotFound(order_id=str(order_id))
        if order.payment_method == payment_method:
            return
        if order.status not in (OrderStatus.PENDING, OrderStatus.AWAITING_PAYMENT):
            raise NotPayable(order_id=str(order_id), status=order.status)
        if order.payment_method:
            raise NotPayable(
                "This order is being paid with another payment method already",
                order_id=str(order_id),
                status=order.status,
            )
        Order.objects.filter(pk=order_id, status=order.status).update(payment_method=payment_method)
        Saga.objects.filter(order_id=order_id, name="checkout", finished_at=None).update(due_at=Now() + lease())
