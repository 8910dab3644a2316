"""Orders in flight: every way of an order, stopped by a death at each of its points, and the waits that no death makes.

The ways and their points are those of tests/proof/crashes; what is added here is what only a fault, a full inbox or a
human leaves behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar
from unittest.mock import patch

from django.test import override_settings

from inventory import api as inventory
from notifications.services import sending
from orders.models import Order
from orders.sagas.entry import resume
from payments.models import Refund
from payments.services import reconcile_payments
from shipping.services import booking
from shop.events import relay
from shop.events.event import Envelope
from tests.driver.factories import AddressFactory, OrderBodyFactory
from tests.driver.orders import make_due
from tests.driver.shopper import id_in
from tests.driver.tables import table_away
from tests.proof.crashes.children import Tell
from tests.proof.crashes.enumeration import make_everything_due
from tests.proof.crashes.journeys.afterwards import Refund as Refunded
from tests.proof.crashes.journeys.catalog import JOURNEYS
from tests.proof.crashes.journeys.journey import CHALLENGED, KEY, Journey
from tests.proof.crashes.journeys.paying import Challenge
from tests.proof.crashes.journeys.placing import Confirm

DELIVERED = {"order_confirmed": 1, "order_shipped": 1}


class Unpaid(Journey):
    """An order is placed without a payment method and paid later."""

    name, floor, answer = "unpaid, then paid", 0, 201
    status, money, stock = "DELIVERED", (1, 1250), (9, 0, 1)
    bookings = 1
    mails = DELIVERED

    def prepare(self) -> None:
        body = OrderBodyFactory()
        del body["payment_method"]
        self.shopper.post("orders", body)

    def act(self, tell: Tell) -> None:
        tell(self.again())
        relay.drain_all()

    def again(self) -> Any:
        return self.shopper.pay(self.order_id(), "pm_card_visa", key=KEY)


class OutOfStock(Journey):
    """More is ordered than there is."""

    name, floor, answer = "out of stock", 0, 409
    status, money, stock = "CANCELED", (0, 0), (10, 0, 0)
    mails = {"order_canceled": 1}

    def act(self, tell: Tell) -> None:
        tell(self.again())
        relay.drain_all()

    def again(self) -> Any:
        return self.shopper.place(key=KEY, quantity=11)


# What goes on where a process died, by the name of the way; on the others nobody acts but the shop.
NEXT = {
    "cancel": "the customer cancels",
    "refund": "the customer cancels",
    "refund in part": "staff refund in part",
    Challenge.name: "the customer authenticates",
    Unpaid.name: "the customer pays",
}
WAYS: tuple[type[Journey], ...] = (*JOURNEYS, Unpaid, OutOfStock)


class Waiting(Confirm):
    """An order that waits for something: `suspend` brings it there, `then` says what ends the wait."""

    then: ClassVar[str] = ""

    def suspend(self) -> None:
        """Bring the order to its wait."""
        raise NotImplementedError


class AuthorizationUnanswered(Waiting):
    name = "the answer to the authorization is lost"

    def suspend(self) -> None:
        self.sandbox.fail("lost_answer", "/v1/payment_intents/*/confirm", times=None)
        self.sandbox.fail("never", "/v1/payment_intents/*", method="GET", times=None, delay_seconds=0.01)
        self.shopper.place(key=KEY)


class CaptureUnanswered(Waiting):
    name = "the answer to the capture is lost"

    def suspend(self) -> None:
        self.sandbox.fail("lost_answer", "/v1/payment_intents/*/capture", times=None)
        self.shopper.place(key=KEY)


class CaptureNeverCame(Waiting):
    name = "the capture fails for so long that a human is called"

    def suspend(self) -> None:
        self.sandbox.fail("error_500", "/v1/payment_intents/*/capture", times=None)
        self.shopper.place(key=KEY)
        for _attempt in range(10):
            make_due()
            resume(order_id=self.order_id())


class VoidUnanswered(Waiting):
    name = "the provider is away while an order is canceled"
    status, money, stock, mails, bookings = "CANCELED", (0, 0), (10, 0, 0), {"order_canceled": 1}, 0

    def suspend(self) -> None:
        self.shopper.place(key=KEY, payment_method=CHALLENGED)
        self.sandbox.fail("lost_request", "/v1/payment_intents/*/cancel", times=None)
        self.shopper.cancel(self.order_id())


class RefundUnanswered(Waiting):
    name = "the answer to a refund is lost"
    status, money, stock, mails, bookings = (
        Refunded.status, Refunded.money, Refunded.stock, {"order_confirmed": 1, "order_refunded": 1}, 0,
    )  # fmt: skip

    def suspend(self) -> None:
        self.shopper.place(key=KEY)
        relay.drain_all()
        self.sandbox.fail("lost_answer", "/v1/refunds", times=None)
        self.shopper.cancel(self.order_id())


class RefundPending(RefundUnanswered):
    name = "the bank takes its time for a refund"
    then = "the bank settles the refund"

    def suspend(self) -> None:
        self.shopper.place(key=KEY, payment_method="pm_card_pendingRefund")
        relay.drain_all()
        self.shopper.cancel(self.order_id())
        assert Refund.objects.get().status == "PENDING"


class RefundReturned(RefundPending):
    name = "the bank returns a refund"
    then = "staff refund again"

    def suspend(self) -> None:
        super().suspend()
        refund = Refund.objects.get()
        self.sandbox.control("POST", f"refunds/{refund.provider_refund_id}/settle", {"outcome": "fail"})
        self.webhooks()


class ConsumerFails(Waiting):
    name = "a delivery is tried again"

    def suspend(self) -> None:
        self.shopper.place(key=KEY)
        with table_away("shipping", "shipping_shipment"):
            relay.drain_all()


class ConsumerGaveUp(ConsumerFails):
    name = "a delivery stands in the dead letters"
    then = "staff replay the dead letter"

    def suspend(self) -> None:
        with override_settings(EVENTS_MAX_ATTEMPTS=1):
            super().suspend()


class Quarantined(Waiting):
    name = "the broker refuses an event for good"
    then = "staff release the quarantine"

    def suspend(self) -> None:
        self.shopper.place(key=KEY)
        with override_settings(EVENTS_MAX_ATTEMPTS=1), patch.object(relay, "transport", Refusing):
            relay.drain("orders")


class Refusing:
    """A broker that takes nothing."""

    def send(self, envelopes: Sequence[Envelope]) -> Sequence[str]:
        return ["it is too large"] * len(envelopes)


class MailRefused(Waiting):
    name = "the mail server refuses for now"
    attempts = 1

    def suspend(self) -> None:
        self.shopper.place(key=KEY)
        relay.drain_all()
        with override_settings(EMAIL_BACKEND="tests.proof.security.test_personal_data.MailboxFull"):
            for _attempt in range(self.attempts):
                make_everything_due()
                sending.send_due_emails()


class MailFailed(MailRefused):
    name = "the mail server refuses for good"
    then = "staff send the mail again"
    attempts = 20


class CarrierRefuses(Waiting):
    name = "the carrier does not go there"
    then = "the customer gives up"
    status, money, stock, mails, bookings = (
        Refunded.status, Refunded.money, Refunded.stock, {"order_confirmed": 1, "order_refunded": 1}, 0,
    )  # fmt: skip

    def suspend(self) -> None:
        self.shopper.place(key=KEY, shipping_address=AddressFactory(postal_code="00000"))
        relay.drain_all()
        booking.book_due_shipments()


class SecondIntent(Waiting):
    name = "the provider holds a second intent"

    def suspend(self) -> None:
        order_id = id_in(self.shopper.place(key=KEY))
        self.sandbox.stripe.v1.payment_intents.create(
            {
                "amount": 1250,
                "currency": "eur",
                "capture_method": "manual",
                "confirm": True,
                "payment_method": "pm_card_visa",
                "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
                "metadata": {"installation": "shop", "order_id": str(order_id)},
            }
        )
        reconcile_payments(since=Order.objects.get().placed_at)


class StockCounted(Confirm):
    """No order in flight: what staff do to stock is told as well."""

    name = "staff count the stock"

    def act(self, tell: Tell) -> None:
        inventory.write_off_stock(sku="MUG", quantity=6, reason="broken")


WAITS: tuple[type[Waiting], ...] = (
    AuthorizationUnanswered,
    CaptureUnanswered,
    CaptureNeverCame,
    VoidUnanswered,
    RefundUnanswered,
    RefundPending,
    RefundReturned,
    ConsumerFails,
    ConsumerGaveUp,
    Quarantined,
    MailRefused,
    MailFailed,
    CarrierRefuses,
    SecondIntent,
)
