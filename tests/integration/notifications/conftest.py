"""Real orders, events about them, and mail servers that misbehave."""

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.mail.backends.locmem import EmailBackend
from django.db.models.functions import Now

from notifications.models import Email
from orders import services as orders
from orders.events import OrderCanceled, OrderConfirmed, OrderRefunded, OrderRefundIssued, OrderShipped
from orders.models import Order
from orders.queries import Address
from shop import clock
from shop.events.event import Envelope, Event
from shop.events.inbox import DeliveryStatus, deliver
from shop.ids import derived_id, new_id
from shop.money import Money
from tests.factories import NewOrderFactory, offers

ADDRESS = "ada@example.com"
TOTAL = Money(2500, "EUR")


class MisbehavingBackend(EmailBackend):
    """Django's in-memory mail server, with trouble to come: each send takes one from `trouble` and raises it."""

    trouble: list[BaseException] = []
    accepts_first = False

    def send_messages(self, messages):
        if self.accepts_first:
            super().send_messages(messages)
        if self.trouble:
            raise self.trouble.pop(0)
        return len(messages) if self.accepts_first else super().send_messages(messages)


@pytest.fixture
def mail_server(settings, monkeypatch) -> type[MisbehavingBackend]:
    """Send through a mail server that can be told to make trouble."""
    settings.EMAIL_BACKEND = f"{MisbehavingBackend.__module__}.{MisbehavingBackend.__name__}"
    monkeypatch.setattr(MisbehavingBackend, "trouble", [])
    monkeypatch.setattr(MisbehavingBackend, "accepts_first", False)
    return MisbehavingBackend


@pytest.fixture
def placed_order(database: None) -> Callable[..., uuid.UUID]:
    """Return a function that records an order and gives its id."""

    def make(*, email: str = ADDRESS, name: str = "Ada Lovelace") -> uuid.UUID:
        address = Address(name, "Allee 1", "", "Berlin", "", "10115", "DE")
        new = NewOrderFactory(email=email, shipping_address=address)
        return orders.place_order(new=new, offers=offers("Mug <b>")).order_id

    return make


FACTS = {
    "tell_customer_order_confirmed": lambda order_id: OrderConfirmed(order_id=order_id, total=TOTAL),
    "tell_customer_order_canceled": lambda order_id: OrderCanceled(order_id=order_id, reason="card_declined"),
    "tell_customer_parcel_left": lambda order_id: OrderShipped(order_id=order_id, carrier="DHL", tracking_number="T1"),
    "tell_customer_order_refunded": lambda order_id: OrderRefunded(order_id=order_id, total=TOTAL),
    "tell_customer_refund_issued": lambda order_id: OrderRefundIssued(
        order_id=order_id, refund_id=derived_id("first refund", order_id), amount=Money(500, "EUR")
    ),
}


def envelope_of(
    fact: Event, order_id: uuid.UUID, *, event_id: uuid.UUID | None = None, context: str = "orders"
) -> Envelope:
    """Return a fact about an order as it travels."""
    return Envelope(
        event_id=event_id or new_id(),
        type=fact.type,
        version=fact.version,
        context=context,
        aggregate_id=order_id,
        aggregate_version=4,
        occurred_at=clock.now(),
        data=fact.payload(),
    )


@pytest.fixture
def hear(database: None) -> Callable[..., DeliveryStatus | None]:
    """Return a function that delivers to a handler the fact it listens to, under an event id that can be repeated."""

    def heard(
        handler: str, order_id: uuid.UUID, *, event_id: uuid.UUID | None = None, fact: Event | None = None
    ) -> DeliveryStatus | None:
        fact = fact or FACTS[handler](order_id)
        envelope = envelope_of(fact, order_id, event_id=event_id)
        return deliver(subscriber=f"notifications.{handler}", attributes=envelope.to_json())

    return heard


@pytest.fixture
def queued_email(placed_order, hear) -> Callable[..., Email]:
    """Return a function that has an email wait to be sent."""

    def make(**order: str) -> Email:
        order_id = placed_order(**order)
        Order.objects.filter(pk=order_id).update(status="CONFIRMED")
        hear("tell_customer_order_confirmed", order_id)
        return Email.objects.get(order_id=order_id)

    return make


def make_due(email: Email) -> None:
    """Let the moment of the next attempt come."""
    Email.objects.filter(pk=email.pk, due_at__isnull=False).update(due_at=Now() - timedelta(seconds=1))
