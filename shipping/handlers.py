"""What shipping does when it hears something."""

from __future__ import annotations

from collections.abc import Sequence

from orders.events import OrderConfirmed
from payments.events import PaymentDisputeChanged, PaymentDisputeClosed, PaymentDisputeOpened, PaymentRefunded
from shipping.services import holds, shipments
from shop.events.subscribers import subscribe


def _create_shipments(events: Sequence[OrderConfirmed]) -> None:
    shipments.create_shipments([event.order_id for event in events])


@subscribe(OrderConfirmed, many=_create_shipments)
def create_shipment_for_order(event: OrderConfirmed) -> None:
    """Give the order a shipment; the carrier is asked after the commit."""
    shipments.create_shipment(order_id=event.order_id)


@subscribe(PaymentDisputeOpened, PaymentDisputeChanged)
def hold_parcel_while_disputed(event: PaymentDisputeOpened | PaymentDisputeChanged) -> None:
    """Keep the parcel from leaving while the customer's bank has not decided."""
    revision = event.revision if isinstance(event, PaymentDisputeChanged) else 1
    holds.hold_parcel(order_id=event.order_id, dispute_id=event.dispute_id, revision=revision)


@subscribe(PaymentDisputeClosed)
def settle_hold_of_dispute(event: PaymentDisputeClosed) -> None:
    """Let the parcel go where the dispute took nothing and the money is still ours; else staff decide about it."""
    order_id, dispute_id, revision = event.order_id, event.dispute_id, event.revision
    if event.lost.minor:
        holds.hold_parcel(order_id=order_id, dispute_id=dispute_id, revision=revision, for_staff=True)
    else:
        holds.release_parcel(
            order_id=order_id, dispute_id=dispute_id, revision=revision, money_is_back=event.refunded_in_full
        )


@subscribe(PaymentRefunded)
def keep_parcel_of_refunded_payment(event: PaymentRefunded) -> None:
    """Leave the parcel to staff where a disputed payment went back in full."""
    if event.full:
        holds.keep_for_staff(order_id=event.order_id)
