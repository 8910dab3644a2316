"""How orders reacts to the facts of others: note it, or hurry the saga that waits for it."""

from __future__ import annotations

from inventory.events import StockExpired
from orders import services
from payments.events import (
    PaymentAuthorized,
    PaymentCaptured,
    PaymentFailed,
    PaymentRefunded,
    PaymentVoided,
)
from shipping.events import ShipmentDelivered, ShipmentDispatched
from shop.events.bus import subscribe


@subscribe(PaymentAuthorized, PaymentCaptured, PaymentFailed, PaymentVoided, StockExpired)
def resume_waiting_order(
    event: PaymentAuthorized | PaymentCaptured | PaymentFailed | PaymentVoided | StockExpired,
) -> None:
    """Wake the order that waits for this payment or whose stock ran out of time."""
    services.hurry_saga(order_id=event.order_id)


@subscribe(PaymentRefunded)
def announce_partial_refund(event: PaymentRefunded) -> None:
    """Tell the world that a running order got a part of its money back."""
    services.announce_partial_refund(order_id=event.order_id, refund_id=event.refund_id, amount=event.amount)


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
