"""More time to pay: what an order holds (stock, codes, its deadline) lasts longer, once, because its customer asked.

Stock is extended first, by inventory: an order never promises a time for which its stock is not held (docs/adr/0048-more-time-to-pay.md).
"""

from __future__ import annotations

import uuid

import structlog
from django.conf import settings

from orders.events import OrderHoldExtended
from orders.models import OrderStatus
from orders.queries import OrderState, get_order
from orders.rules import LONGEST_REST_SECONDS
from shop import transactions
from shop.clock import now
from shop.errors import Refusal
from shop.events.publishing import publish
from shop.statements import Statement

_EXTEND_HOLD = Statement("orders", "extend_hold")

log = structlog.get_logger(__name__)


class HoldNotExtendable(Refusal):
    """The order does not wait for its payment: it is not reserved yet, paid, or canceled."""

    code = "hold_not_extendable"
    title = "Only an order that waits for its payment can be given more time"
    fact_types = {"order_id": uuid.UUID, "status": str}


class HoldAlreadyExtended(Refusal):
    """The order was given more time before, which happens once; facts.pay_before says how long it has."""

    code = "hold_already_extended"
    title = "This order was given more time already, and cannot be given more"
    fact_types = {"order_id": uuid.UUID, "pay_before": str}


class HoldEnded(Refusal):
    """The time to pay was over before more was asked for: the order is canceled, or will be in a moment."""

    code = "hold_ended"
    title = "The time to pay this order is over"
    fact_types = {"order_id": uuid.UUID}


class HoldExtensionsOff(Refusal):
    """The shop gives no order more time (HOLD_EXTENSION_SECONDS)."""

    code = "hold_extensions_off"
    title = "This shop gives no more time to pay"
    fact_types = {"order_id": uuid.UUID}


def extensions_left(order: OrderState) -> int:
    """Return how often the time to pay of this order may still be extended, whether or not it is over."""
    waits = order.status == OrderStatus.AWAITING_PAYMENT and order.total.minor > 0
    return int(waits and order.hold_extension is None and settings.HOLD_EXTENSION_SECONDS > 0)


def refuse_extension(order: OrderState) -> Refusal | None:
    """Return why the time to pay of this order cannot be extended; None where it can, as far as its row tells."""
    if order.status != OrderStatus.AWAITING_PAYMENT or not order.total.minor:
        return HoldNotExtendable(order_id=str(order.order_id), status=order.status)
    if order.hold_extension is not None:
        return HoldAlreadyExtended(order_id=str(order.order_id), pay_before=order.pay_before)
    if not settings.HOLD_EXTENSION_SECONDS:
        return HoldExtensionsOff(order_id=str(order.order_id))
    return HoldEnded(order_id=str(order.order_id)) if order.pay_before <= now() else None


def extend_hold(*, order_id: uuid.UUID, operation_id: uuid.UUID) -> OrderState:
    """Move the payment deadline of a waiting order by HOLD_EXTENSION_SECONDS, once. Idempotent by `operation_id`.

    Needs its stock extended before. The database's clock says whether the deadline has passed.
    Raises: OrderNotFound, HoldNotExtendable, HoldAlreadyExtended, HoldEnded.
    """
    with transactions.transaction("orders"):
        row = _EXTEND_HOLD.one(
            order_id=order_id,
            operation_id=operation_id,
            seconds=settings.HOLD_EXTENSION_SECONDS,
            longest_rest=LONGEST_REST_SECONDS,
        )
        if row is not None:
            event = OrderHoldExtended(order_id=order_id, seconds=settings.HOLD_EXTENSION_SECONDS)
            publish(event, aggregate_id=order_id, aggregate_version=row[0])
    order = get_order(order_id=order_id)
    if row is not None:
        log.info("order.hold_extended", order_id=str(order_id), seconds=settings.HOLD_EXTENSION_SECONDS)
    elif order.hold_extension != operation_id:
        raise refuse_extension(order) or HoldEnded(order_id=str(order_id))
    return order
