"""What shipping does when it hears something."""

from __future__ import annotations

from orders.events import OrderConfirmed
from shipping.services import shipments
from shop.events.bus import subscribe


@subscribe(OrderConfirmed)
def create_shipment_for_order(event: OrderConfirmed) -> None:
    """Give the order a shipment; the carrier is asked after the commit."""
    shipments.create_shipment(order_id=event.order_id)
