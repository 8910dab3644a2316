"""The facts that orders publishes.

One for every move of an order's status that is written, those of refunds, order.taken_along and order.hold_extended.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from shop.events.event import Event
from shop.money import Money


@dataclass(frozen=True, kw_only=True)
class OrderPlaced(Event):
    """The order is recorded; nothing is reserved or charged yet."""

    type = "order.placed"
    order_id: uuid.UUID
    total: Money


@dataclass(frozen=True, kw_only=True)
class OrderAwaitingPayment(Event):
    """Its stock is reserved and it waits, for its customer or for an answer; an order paid at once is not told of."""

    type = "order.awaiting_payment"
    order_id: uuid.UUID


@dataclass(frozen=True, kw_only=True)
class OrderConfirming(Event):
    """Its payment is authorized, or it costs nothing; from here a cancel is refused until it is confirmed."""

    type = "order.confirming"
    order_id: uuid.UUID


@dataclass(frozen=True, kw_only=True)
class OrderConfirmed(Event):
    """Its stock is sold and its money captured, where it costs any."""

    type = "order.confirmed"
    order_id: uuid.UUID
    total: Money


@dataclass(frozen=True, kw_only=True)
class OrderCanceling(Event):
    """It is being unwound; `reason` is one of CancelReason."""

    type = "order.canceling"
    order_id: uuid.UUID
    reason: str


@dataclass(frozen=True, kw_only=True)
class OrderCanceled(Event):
    """No stock is held for it and no money was kept; `reason` is one of CancelReason."""

    type = "order.canceled"
    order_id: uuid.UUID
    reason: str


@dataclass(frozen=True, kw_only=True)
class OrderShipped(Event):
    """Its parcel has left."""

    type = "order.shipped"
    order_id: uuid.UUID
    carrier: str
    tracking_number: str


@dataclass(frozen=True, kw_only=True)
class OrderDelivered(Event):
    """Its parcel has arrived."""

    type = "order.delivered"
    order_id: uuid.UUID


@dataclass(frozen=True, kw_only=True)
class OrderRefunding(Event):
    """A confirmed order was canceled: its parcel is being stopped and its money returned."""

    type = "order.refunding"
    order_id: uuid.UUID
    reason: str


@dataclass(frozen=True, kw_only=True)
class OrderRefunded(Event):
    """All its money is returned and its stock is back on the shelf."""

    type = "order.refunded"
    order_id: uuid.UUID
    total: Money


@dataclass(frozen=True, kw_only=True)
class OrderRefundReturned(Event):
    """The bank sent back a refund that the customer had been told of: the amount is owed until it is made good."""

    type = "order.refund_returned"
    order_id: uuid.UUID
    refund_id: uuid.UUID
    amount: Money


@dataclass(frozen=True, kw_only=True)
class OrderRefundIssued(Event):
    """Money went back by a refund of its own: a part of a running order's, or what the bank had returned before."""

    type = "order.refund_issued"
    order_id: uuid.UUID
    refund_id: uuid.UUID
    amount: Money


@dataclass(frozen=True, kw_only=True)
class OrderTakenAlong(Event):
    """A guest's order is an account's from now on, which has verified the guest's mailbox. Both are ids."""

    type = "order.taken_along"
    order_id: uuid.UUID
    guest_id: uuid.UUID
    customer_id: uuid.UUID


@dataclass(frozen=True, kw_only=True)
class OrderHoldExtended(Event):
    """Its customer was given more time to pay, in seconds; that happens once."""

    type = "order.hold_extended"
    order_id: uuid.UUID
    seconds: int
