"""An order whose payment method waits for its customer: it begins to hold stock unpaid, within the limits or not at all."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import structlog

from orders.events import OrderAwaitingPayment
from orders.models import Order, OrderStatus
from orders.queries import OrderProgress, get_order
from orders.services.held_unpaid import Room, has_verified, limits, too_much_held
from shop import transactions
from shop.events.outbox import fact
from shop.events.publishing import announce
from shop.statements import Statement

_BEGIN_TO_WAIT = Statement("orders", "begin_to_wait")

log = structlog.get_logger(__name__)


def begin_to_wait(*, order: OrderProgress, free: Mapping[str, int]) -> None:
    """Have an order wait in AWAITING_PAYMENT for its customer to act, if so much may be held unpaid. Idempotent.

    `free`: of each product that is to be judged, how many pieces would be free without this order. Where somebody else
    moved or judged the order first, nothing happens.
    Raises: TooMuchHeldUnpaid.
    """
    state = order.known or get_order(order_id=order.order_id)
    verified = has_verified(customer_id=state.customer_id, email=state.email)
    expected = order.stored or order.status
    event = OrderAwaitingPayment(order_id=order.order_id)
    if expected != OrderStatus.AWAITING_PAYMENT:
        Order.status_after(event, expected=[expected])
    wanted = dict.fromkeys(free, 0)
    for sku, quantity in order.lines:
        if sku in wanted:
            wanted[sku] += quantity
    lines = [{"sku": sku, "quantity": pieces, "free": free[sku]} for sku, pieces in wanted.items()]
    with transactions.single("orders"):
        # As a move of advance_order: the rest of the saga's row follows, and waits for the disk.
        row = _BEGIN_TO_WAIT.one(
            asynchronous=True,
            order_id=order.order_id,
            expected=str(expected),
            email_verified=verified,
            lines=msgspec.json.encode(lines).decode(),
            **limits(),
            **fact(event),
        )
        moved = row is not None and row[-2] is not None
        if moved and expected != OrderStatus.AWAITING_PAYMENT:
            announce(event)
    if row is None:
        return
    *found, version, _commits = row
    room = Room.of(*found)
    if room.over_sku is not None:
        log.info("order.too_much_held", order_id=str(order.order_id), sku=room.over_sku, rule=room.over_rule)
        raise too_much_held(room, waits=True)
    if moved:
        order.unjudged = False
        if expected != OrderStatus.AWAITING_PAYMENT:
            order.note_move(to=str(OrderStatus.AWAITING_PAYMENT), version=version, confirmed_at=None)
            log.info(event.type, order_id=str(order.order_id), version=version)
