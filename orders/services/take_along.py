"""A guest's orders become an account's, once the account has verified the guest's mailbox (docs/adr/0040-guests.md).

# Note [A key of a guest]
An order keeps the key it was placed with, under the name of its guest: "<guest> <key>", which no caller can send. The guest
goes on, and may repeat a request: a guest's order is placed under the lock that is held here, and is looked for by guest and
key first. So a repetition meets its order whoever has it, and places no second one.
"""

from __future__ import annotations

import uuid

import structlog

from orders.events import OrderTakenAlong
from orders.services.place_order import lock_orders_of
from shop import transactions
from shop.events.publishing import publish
from shop.statements import Statement

_TAKE_ALONG = Statement("orders", "take_along")

log = structlog.get_logger(__name__)


def take_along(*, guest_id: uuid.UUID, customer_id: uuid.UUID) -> int:
    """Make all orders of a guest the customer's, whatever their status; return how many were not yet. Idempotent.

    Links in mails open them no more: their customer signs in. The guest still sees them. Sagas go on; what is unpaid still counts
    for the guest's mailbox and not for the customer, whom strangers would otherwise keep from ordering.
    """
    with transactions.transaction("orders"):
        for each in sorted((guest_id, customer_id)):
            lock_orders_of(each)
        taken = _TAKE_ALONG.run(guest_id=guest_id, customer_id=customer_id)
        for order_id, version in sorted(taken):
            publish(
                OrderTakenAlong(order_id=order_id, guest_id=guest_id, customer_id=customer_id),
                aggregate_id=order_id,
                aggregate_version=version,
            )
    if taken:
        log.info("order.taken_along", guest_id=str(guest_id), customer_id=str(customer_id), orders=len(taken))
    return len(taken)
