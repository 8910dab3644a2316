"""The saga's moves of an order: forward, turned around, or shipped after all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
import structlog

from orders import metrics
from orders.events import (
    OrderAwaitingPayment,
    OrderCanceled,
    OrderCanceling,
    OrderConfirmed,
    OrderConfirming,
    OrderRefunded,
    OrderShipped,
)
from orders.models import Order, OrderStatus
from orders.queries import OrderProgress
from orders.rules import CancelReason
from orders.services.held_unpaid import NO_KEYS
from orders.services.saga_store import close_saga
from shop import transactions
from shop.events.event import Event
from shop.events.outbox import fact
from shop.events.publishing import announce
from shop.statements import Statement
from shop.states import change_status

log = structlog.get_logger(__name__)


EVENT_OF_MOVE: dict[str, Callable[[OrderProgress], Event]] = {
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
    event = EVENT_OF_MOVE[to](order)
    to = Order.status_after(event, expected=order.standing)
    with transactions.single("orders"):
        # Lost in a crash, the saga is open and takes the same step again. What follows waits for the disk: the commit
        # of the stock before a capture, the rest of the saga's row, the answer before the customer gets it.
        moved = _ADVANCE_ORDER.one(
            asynchronous=True,
            order_id=order.order_id,
            expected=order.standing,
            to=to,
            ends_saga=saga if ends_saga else "",
            steps=msgspec.json.encode(steps).decode(),
            **fact(event),
        )
        if moved is not None:
            announce(event)
    if moved is None:
        return False
    version, confirmed_at, _commits = moved
    order.note_move(to=to, version=version, confirmed_at=confirmed_at)
    log.info(event.type, order_id=str(order.order_id), version=version)
    if ends_saga:
        metrics.count_outcome(outcome=order.cancel_reason or to.lower(), placed_at=order.placed_at)
    return True


def refuse_order(
    *,
    order: OrderProgress,
    reason: CancelReason,
    facts: dict[str, Any],
    deadline: datetime | None = None,
) -> bool:
    """Turn an order around: from here it is unwound. Returns False where somebody else moved it first.

    `deadline`: the payment deadline that has passed, where that is why; it must still be the order's.
    """
    with transactions.single("orders"):
        version = change_status(
            Order,
            order.order_id,
            expected=order.standing,
            seen={} if deadline is None else {"pay_before": deadline},
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
            event=OrderShipped(order_id=order.order_id, carrier=carrier, tracking_number=tracking_number),
            cancel_reason="",
            carrier=carrier,
            tracking_number=tracking_number,
        )
        if version is not None:
            close_saga(order.order_id, "refund", steps)
    return version is not None
