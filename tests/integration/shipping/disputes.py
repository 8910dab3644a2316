"""A dispute as shipping hears of it, and who stands at the desk of a held parcel."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth.models import Permission
from django.db import connections
from django.test import Client

from local.waiting import wait_until
from payments.events import PaymentDisputeChanged, PaymentDisputeClosed, PaymentDisputeOpened, PaymentRefunded
from shipping import api as shipping
from shipping.gateways import Address
from shipping.models import Shipment
from shipping.services import booking
from shop import transactions
from shop.clock import now
from shop.events.event import Envelope
from shop.events.inbox import DeliveryStatus, deliver
from shop.ids import new_id
from shop.money import Money
from tests.driver.factories import UserFactory
from tests.driver.sessions import waiting_for
from tests.integration.shipping.shipments import make_due

HOLD, SETTLE = "shipping.hold_parcel_while_disputed", "shipping.settle_hold_of_dispute"
KEEP = "shipping.keep_parcel_of_refunded_payment"
ADDRESS = Address("Ada Lovelace", "Allee 1", "", "Berlin", "10115", "", "DE")


class Dispute:
    """The facts of one dispute, as payments tells them."""

    def __init__(self, order_id: uuid.UUID) -> None:
        self.ids: dict[str, Any] = {"order_id": order_id, "dispute_id": new_id()}

    def opened(self, times: int = 1) -> None:
        event = PaymentDisputeOpened(**self.ids, status="NEEDS_RESPONSE", reason="fraudulent", amount=Money(1, "EUR"))
        self.tell(HOLD, event, times)

    def changed(self, revision: int = 2) -> None:
        self.tell(HOLD, PaymentDisputeChanged(**self.ids, status="UNDER_REVIEW", revision=revision))

    def won(self, revision: int = 3, *, refunded_in_full: bool = False) -> None:
        nothing = Money(0, "EUR")
        event = PaymentDisputeClosed(
            **self.ids, status="WON", lost=nothing, revision=revision, refunded_in_full=refunded_in_full
        )
        self.tell(SETTLE, event)

    def refunded(self, *, full: bool = True) -> None:
        money = Money(2500, "EUR")
        event = PaymentRefunded(order_id=self.ids["order_id"], refund_id=new_id(), amount=money, total=money, full=full)
        self.tell(KEEP, event, times=2)

    def lost(self, revision: int = 3) -> None:
        self.tell(SETTLE, PaymentDisputeClosed(**self.ids, status="LOST", lost=Money(1, "EUR"), revision=revision))

    def tell(self, subscriber, event, times: int = 1) -> None:
        envelope = Envelope(
            event_id=new_id(),
            type=event.type,
            version=event.version,
            context="payments",
            aggregate_id=self.ids["dispute_id"],
            aggregate_version=1,
            occurred_at=now(),
            data=event.payload(),
        )
        for _time in range(times):
            assert deliver(subscriber=subscriber, attributes=envelope.to_json()) in (DeliveryStatus.PROCESSED, None)


def status(order_id):
    return shipping.get_shipment(order_id=order_id).status


def book_all(order_id):
    make_due(Shipment.objects.get(order_id=order_id))
    booking.book_due_shipments()


def wait_until_somebody_waits_for_our_lock():
    with connections[transactions.alias_for("shipping")].cursor() as cursor:
        assert wait_until(lambda: waiting_for(cursor) > 0, seconds=60), "nobody waits"


def at_the_desk():
    user = UserFactory(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_shipment", "change_shipment"]))
    client = Client()
    client.force_login(user)
    return client
