"""What notifications does when it hears something: it leaves an email to be sent after the commit."""

from __future__ import annotations

from collections.abc import Sequence

from notifications.models import EmailKind
from notifications.services import emails
from notifications.services.emails import NewEmail
from orders.events import (
    OrderCanceled,
    OrderConfirmed,
    OrderRefunded,
    OrderRefundIssued,
    OrderRefundReturned,
    OrderShipped,
)
from shop.events.subscribers import subscribe


def _tell_orders_confirmed(events: Sequence[OrderConfirmed]) -> None:
    emails.queue_emails([NewEmail(kind=EmailKind.ORDER_CONFIRMED, order_id=event.order_id) for event in events])


def _tell_orders_canceled(events: Sequence[OrderCanceled]) -> None:
    kind = EmailKind.ORDER_CANCELED
    emails.queue_emails([NewEmail(kind=kind, order_id=event.order_id, reason=event.reason) for event in events])


def _tell_parcels_left(events: Sequence[OrderShipped]) -> None:
    emails.queue_emails([NewEmail(kind=EmailKind.ORDER_SHIPPED, order_id=event.order_id) for event in events])


@subscribe(OrderConfirmed, many=_tell_orders_confirmed)
def tell_customer_order_confirmed(event: OrderConfirmed) -> None:
    """Tell what was bought and where it goes."""
    emails.queue_email(kind=EmailKind.ORDER_CONFIRMED, order_id=event.order_id)


@subscribe(OrderCanceled, many=_tell_orders_canceled)
def tell_customer_order_canceled(event: OrderCanceled) -> None:
    """Tell that nothing comes, why, and that no money was kept."""
    emails.queue_email(kind=EmailKind.ORDER_CANCELED, order_id=event.order_id, reason=event.reason)


@subscribe(OrderShipped, many=_tell_parcels_left)
def tell_customer_parcel_left(event: OrderShipped) -> None:
    """Tell with whom the parcel travels."""
    emails.queue_email(kind=EmailKind.ORDER_SHIPPED, order_id=event.order_id)


@subscribe(OrderRefunded)
def tell_customer_order_refunded(event: OrderRefunded) -> None:
    """Tell that the money is on its way back."""
    emails.queue_email(kind=EmailKind.ORDER_REFUNDED, order_id=event.order_id)


@subscribe(OrderRefundIssued)
def tell_customer_refund_issued(event: OrderRefundIssued) -> None:
    """Tell how much of the money is on its way back; each refund is told."""
    emails.queue_email(
        kind=EmailKind.REFUND_ISSUED, order_id=event.order_id, cause_id=event.refund_id, amount=event.amount
    )


@subscribe(OrderRefundReturned)
def tell_customer_refund_returned(event: OrderRefundReturned) -> None:
    """Tell that the bank sent the money back, and that it is still the customer's."""
    emails.queue_email(
        kind=EmailKind.REFUND_RETURNED, order_id=event.order_id, cause_id=event.refund_id, amount=event.amount
    )
