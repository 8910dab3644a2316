"""Real orders, events about them, and mail servers that misbehave."""

import uuid
from collections.abc import Callable

import pytest
from django.core.mail.backends.locmem import EmailBackend

from notifications import gateways
from notifications.models import Email
from orders import services as orders
from orders.models import Order
from orders.queries import Address
from shop.events import relay
from shop.events.event import Event
from shop.events.inbox import DeliveryStatus, deliver
from shop.work import background
from tests.driver.factories import NewOrderFactory, offers
from tests.integration.notifications.emails import ADDRESS, FACTS, envelope_of
from tests.integration.notifications.handed_over import Stall


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


@pytest.fixture
def own_thread(database, settings, monkeypatch):
    """Let the process run what it wakes, in a thread that nobody else has, and publish nothing."""
    settings.EVENTS_WAKE_IN_PROCESS = True
    settings.BROKER_URL = ""
    monkeypatch.setattr(background, "_made", None)
    monkeypatch.setattr(relay, "wake", lambda *_arguments, **_more: None)
    yield
    background.finish()


@pytest.fixture
def woken(monkeypatch):
    """Note the sweeps that are asked for, and run none."""
    names = []
    monkeypatch.setattr(background._Runner, "_run_sweep", lambda _self, name: names.append(name))
    return names


@pytest.fixture
def stalled(monkeypatch):
    """Have errands wait: call what this returns to let them run."""
    stall, run = Stall(), background._Runner._run_errands

    def wait(runner):
        stall.hold()
        run(runner)

    monkeypatch.setattr(background._Runner, "_run_errands", wait)
    yield stall
    stall()


@pytest.fixture
def held_up(monkeypatch):
    """Hold the first mail up at its server: call what this returns to let it, and those behind it, go on."""
    stall, send = Stall(), gateways.send

    def wait(message):
        stall.hold()
        send(message)

    monkeypatch.setattr(gateways, "send", wait)
    yield stall
    stall()
