"""A real order with an address, a confirmed event for it, and shipments in any status."""

import uuid
from collections.abc import Callable

import pytest

from local.carrier.gateway import SandboxCarrier
from orders import services as orders
from orders.events import OrderConfirmed
from orders.models import Order
from orders.queries import Address
from shipping import api as shipping
from shipping import gateways
from shipping.models import Shipment
from shipping.services import booking, shipments
from shop import clock
from shop.events.event import Envelope
from shop.events.inbox import DeliveryStatus, deliver
from shop.ids import new_id
from shop.money import Money
from tests.driver.factories import NewOrderFactory, offers
from tests.integration.shipping.shipments import make_due

SUBSCRIBER = "shipping.create_shipment_for_order"


@pytest.fixture
def confirmed_order(database: None) -> Callable[..., uuid.UUID]:
    """Return a function that records a CONFIRMED order to a postal code and gives its id."""

    def make(*, postal_code: str = "10115") -> uuid.UUID:
        address = Address("Ada Lovelace", "Allee 1", "", "Berlin", "", postal_code, "DE")
        order_id = orders.place_order(new=NewOrderFactory(shipping_address=address), offers=offers()).order_id
        Order.objects.filter(pk=order_id).update(status="CONFIRMED")
        return order_id

    return make


@pytest.fixture
def hear_confirmed(database: None) -> Callable[..., DeliveryStatus | None]:
    """Return a function that delivers order.confirmed to shipping, under an event id that can be repeated."""

    def hear(order_id: uuid.UUID, *, event_id: uuid.UUID | None = None) -> DeliveryStatus | None:
        envelope = Envelope(
            event_id=event_id or new_id(),
            type=OrderConfirmed.type,
            version=OrderConfirmed.version,
            context="orders",
            aggregate_id=order_id,
            aggregate_version=4,
            occurred_at=clock.now(),
            data=OrderConfirmed(order_id=order_id, total=Money(2500, "EUR")).payload(),
        )
        return deliver(subscriber=SUBSCRIBER, attributes=envelope.to_json())

    return hear


@pytest.fixture
def shipment_in(confirmed_order, hear_confirmed, settings) -> Callable[..., Shipment]:
    """Return a function that brings a new shipment to a status, by the ways that production uses."""

    def make(status: str, *, postal_code: str = "10115", transit_seconds: float = 3600) -> Shipment:
        settings.SANDBOX_CARRIER_TRANSIT_SECONDS = transit_seconds
        order_id = confirmed_order(postal_code=postal_code)
        hear_confirmed(order_id)
        shipment = Shipment.objects.get(order_id=order_id)
        if status in ("BOOKED", "DISPATCHED", "DELIVERED"):
            booking.book_due_shipments()
        if status in ("DISPATCHED", "DELIVERED"):
            shipments.dispatch_shipment(shipment_id=shipment.pk, tracking_number="T1")
        if status == "DELIVERED":
            shipments.confirm_delivery(shipment_id=shipment.pk)
        if status == "CANCELED":
            shipping.cancel_shipment(order_id=order_id, reason="customer_request")
        shipment.refresh_from_db()
        assert shipment.status == status
        return shipment

    return make


@pytest.fixture
def booked_twice(shipment_in, monkeypatch) -> Callable[[], Shipment]:
    """Return a function that makes a shipment whose carrier is so slow that another worker books it after the lease, too."""

    class OvertakenMeanwhile(SandboxCarrier):
        def book(self, *, reference, address, parcel):
            monkeypatch.setitem(gateways.CARRIERS, "sandbox", SandboxCarrier)
            make_due(Shipment.objects.get(pk=reference))
            booking.book_due_shipments()
            return super().book(reference=reference, address=address, parcel=parcel)

    def make() -> Shipment:
        shipment = shipment_in("PENDING")
        monkeypatch.setitem(gateways.CARRIERS, "sandbox", OvertakenMeanwhile)
        booking.book_due_shipments()
        shipment.refresh_from_db()
        assert shipment.status == "BOOKED"
        return shipment

    return make
