"""How orders reacts to the facts of others: note it, or hurry the saga that waits for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from inventory.events import StockExpired
from orders import services
from payments.events import (
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDisputeClosed,
    PaymentFailed,
    PaymentRefunded,
    PaymentVoided,
    RefundFailed,
)
from shipping.events import ShipmentDelivered, ShipmentDispatched
from shop.events.subscribers import subscribe


def is_news(told: Mapping[str, Any]) -> bool:
    """Return whether the fact is more than the answer to the saga's own call. See Note [Answered facts]."""
    return not told.get("answered")


Awaited = PaymentAuthorized | PaymentCaptured | PaymentFailed | PaymentVoided | StockExpired


def _resume_waiting_orders(events: Sequence[Awaited]) -> None:
    services.hurry_sagas(order_ids=[event.order_id for event in events])


@subscribe(
    PaymentAuthorized, PaymentCaptured, PaymentFailed, PaymentVoided, StockExpired,
    wants=is_news, many=_resume_waiting_orders,
)  # fmt: skip
def resume_waiting_order(event: Awaited) -> None:
    """Wake the order that waits for this payment or whose stock ran out of time."""
    services.hurry_sagas(order_ids=[event.order_id])


@subscribe(PaymentDisputeClosed)
def resume_order_after_dispute(event: PaymentDisputeClosed) -> None:
    """Wake the order whose refund waited for the end of a dispute."""
    services.hurry_sagas(order_ids=[event.order_id])


@subscribe(PaymentRefunded)
def announce_partial_refund(event: PaymentRefunded) -> None:
    """Tell the world that an order got a part of its money back, or what the bank had returned."""
    services.announce_partial_refund(
        order_id=event.order_id, refund_id=event.refund_id, amount=event.amount, again=event.again
    )


def is_returned(told: Mapping[str, Any]) -> bool:
    """Return whether the refund had counted as given back before it failed."""
    return bool(told.get("returned"))


@subscribe(RefundFailed, wants=is_returned)
def announce_returned_refund(event: RefundFailed) -> None:
    """Tell the world that a refund came back from its bank, perhaps long after the order's end."""
    services.announce_returned_refund(order_id=event.order_id, refund_id=event.refund_id, amount=event.amount)


@subscribe(ShipmentDispatched)
def mark_order_shipped(event: ShipmentDispatched) -> None:
    """Note that the parcel has left."""
    services.note_parcel_dispatched(
        order_id=event.order_id, carrier=event.carrier, tracking_number=event.tracking_number
    )


@subscribe(ShipmentDelivered)
def mark_order_delivered(event: ShipmentDelivered) -> None:
    """Note that the parcel has arrived."""
    services.note_parcel_delivered(
        order_id=event.order_id, carrier=event.carrier, tracking_number=event.tracking_number
    )
