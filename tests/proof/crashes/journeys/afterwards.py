"""Ways of an order that was confirmed: refunded, shipped, and forgotten with its customer."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.sessions.models import Session

from orders.models import Contact, Order
from shipping.services import booking
from shop.events import relay
from shop.models import Erasure, IdempotencyKey, User
from shop.personal import erasure
from shop.personal.accounts import person_of
from shop.tasks import erase_persons
from tests.driver.ageing import let_all_be_heard
from tests.driver.factories import UserFactory
from tests.driver.shopper import Shopper
from tests.driver.tables import execute
from tests.proof.crashes.children import Lived, Tell
from tests.proof.crashes.journeys.journey import KEY, Journey


class Refund(Journey):
    """A customer cancels a confirmed order whose parcel is booked: it is stopped, and the money goes back."""

    name, floor, answer = "refund", 76, 200
    status, money, stock = "REFUNDED", (1, 0), (10, 0, 0)
    mails = {"order_confirmed": 1, "order_refunded": 1}
    transit_seconds = 3600.0

    def prepare(self) -> None:
        self.shopper.place()
        relay.drain_all()
        booking.book_due_shipments()

    def act(self, tell: Tell) -> None:
        tell(self.again())
        self.drain()

    def again(self) -> Any:
        return self.shopper.cancel(self.order_id(), key=KEY)


class RefundInPart(Journey):
    """Staff return a part of a confirmed order's money; the order goes on."""

    name, floor, answer = "refund in part", 18, 201
    status, money, stock = "DELIVERED", (1, 750), (9, 0, 1)
    bookings = 1
    mails = {"order_confirmed": 1, "order_shipped": 1, "refund_issued": 1}

    def prepare(self) -> None:
        names = ("orders.view_order", "orders.refund_order")
        self.staff = Shopper(UserFactory(is_staff=True, permissions=names))
        self.shopper.place()
        relay.drain_all()

    def act(self, tell: Tell) -> None:
        tell(self.again())
        relay.drain_all()

    def again(self) -> Any:
        body = {"amount": {"amount_minor": 500, "currency": "EUR"}, "reason": "a chip in the glaze"}
        return self.staff.post(f"orders/{self.order_id()}/refunds", body, key=KEY)


class Ship(Journey):
    """The parcel of a confirmed order is booked, leaves and arrives."""

    name, floor, answer = "ship and deliver", 56, 0
    status, money, stock = "DELIVERED", (1, 1250), (9, 0, 1)
    bookings = 1
    mails = {"order_confirmed": 1, "order_shipped": 1}

    def prepare(self) -> None:
        self.shopper.place()
        relay.drain_all()

    def act(self, tell: Tell) -> None:
        self.drain()

    def again(self) -> Any:
        return None


class Erase(Journey):
    """The customer of an order that has arrived is erased: whoever asked asks again where nothing was written down."""

    name, floor, answer = "erasure", 12, 0
    status, money, stock = "DELIVERED", (1, 1250), (9, 0, 1)
    bookings = 1
    mails = {"order_confirmed": 1, "order_shipped": 1}

    def prepare(self) -> None:
        self.shopper.place(key=KEY)
        self.drain()
        let_all_be_heard()

    def act(self, tell: Tell) -> None:
        erasure.carry_out(self.ask())

    def ask(self) -> uuid.UUID:
        assert self.shopper.user is not None
        return erasure.ask(person_of(user_id=self.shopper.user.pk), asked_by="a journey")

    def again(self) -> Any:
        return None

    def wrongs(self, lived: Lived, answer: Any) -> list[str]:
        if not Erasure.objects.exists():
            self.ask()
        for _look in range(2):
            execute(
                "shop",
                "UPDATE shop_erasure SET asked_at = asked_at - interval '1 hour', due_at = now() WHERE due_at IS NOT NULL",
            )
            erase_persons()
        facts = {
            "erasures not finished": (Erasure.objects.filter(finished_at=None).count(), 0),
            "contacts that are kept": (Contact.objects.filter(erased_at=None).count(), 0),
            "tokens that are kept": (Order.objects.exclude(payment_method="").count(), 0),
            "sessions": (Session.objects.count(), 0),
            "kept answers": (IdempotencyKey.objects.count(), 0),
            "accounts that open": (User.objects.filter(is_active=True).count(), 0),
        }
        wrong = [f"{fact}: {is_} instead of {must}" for fact, (is_, must) in facts.items() if is_ != must]
        return super().wrongs(lived, answer) + wrong
