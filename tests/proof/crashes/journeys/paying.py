"""Ways of an order that waits for its payment."""

from __future__ import annotations

from typing import Any

from orders.models import Outbox
from orders.sagas.entry import resume_due
from payments import tasks as payment_tasks
from shop.events import relay
from tests.driver.factories import OrderBodyFactory
from tests.driver.orders import pass_deadline
from tests.driver.shopper import id_in
from tests.driver.tables import execute
from tests.proof.crashes.children import Lived, Tell
from tests.proof.crashes.journeys.journey import CHALLENGED, KEY, Journey


class AnotherCard(Journey):
    """The bank refuses the card, and the customer brings another one: it goes onto the same intent."""

    name, floor, answer = "another card", 60, 201
    status, money, stock = "DELIVERED", (1, 1250), (9, 0, 1)
    bookings = 1
    mails = {"order_confirmed": 1, "order_shipped": 1}

    def act(self, tell: Tell) -> None:
        self._bring_the_first()
        tell(self._bring_another())
        relay.drain_all()

    def again(self) -> Any:
        self._bring_the_first()
        return self._bring_another()

    def _bring_the_first(self) -> None:
        self.shopper.place(key=KEY, payment_method="pm_card_chargeDeclinedInsufficientFunds")

    def _bring_another(self) -> Any:
        return self.shopper.pay(self.order_id(), "pm_card_visa", key=f"{KEY}-another")


class MoreTime(Journey):
    """The customer of an order without a payment method asks for more time, and pays."""

    name, floor, answer = "more time", 56, 201
    status, money, stock = "DELIVERED", (1, 1250), (9, 0, 1)
    bookings = 1
    mails = {"order_confirmed": 1, "order_shipped": 1}

    def prepare(self) -> None:
        body = OrderBodyFactory()
        del body["payment_method"]
        self.shopper.post("orders", body)

    def act(self, tell: Tell) -> None:
        tell(self.again())
        relay.drain_all()

    def again(self) -> Any:
        self.shopper.extend(self.order_id(), key=f"{KEY}-more")
        return self.shopper.pay(self.order_id(), "pm_card_visa", key=KEY)

    def wrongs(self, lived: Lived, answer: Any) -> list[str]:
        told = Outbox.objects.filter(type="order.hold_extended").count()
        return super().wrongs(lived, answer) + ([] if told == 1 else [f"more time was given {told} times"])


class Cancel(Journey):
    """A customer cancels an order while the bank waits for them."""

    name, floor, answer = "cancel", 30, 200
    status, money, stock = "CANCELED", (0, 0), (10, 0, 0)
    mails = {"order_canceled": 1}

    def prepare(self) -> None:
        self.shopper.place(payment_method=CHALLENGED)

    def act(self, tell: Tell) -> None:
        tell(self.again())
        relay.drain_all()

    def again(self) -> Any:
        return self.shopper.cancel(self.order_id(), key=KEY)


class Expiry(Journey):
    """The deadline of an order passes that has no payment method."""

    name, floor, answer = "expiry, unpaid", 46, 0
    status, money, stock = "CANCELED", (0, 0), (10, 0, 0)
    mails = {"order_canceled": 1}
    payment_method = ""

    def prepare(self) -> None:
        body = OrderBodyFactory(payment_method=self.payment_method)
        if not self.payment_method:
            del body["payment_method"]
        order_id = id_in(self.shopper.post("orders", body))
        relay.drain_all()
        pass_deadline(order_id)
        execute("inventory", "UPDATE inventory_reservation SET expires_at = now() WHERE expires_at IS NOT NULL")

    def act(self, tell: Tell) -> None:
        self.drain()

    def again(self) -> Any:
        return None


class ExpiryOfChallenge(Expiry):
    """The deadline passes while the bank waits for the customer."""

    name, floor = "expiry, 3-D Secure", 46
    payment_method = CHALLENGED


class Challenge(Journey):
    """The customer authenticates at the bank, and the webhook brings the order on."""

    name, floor, answer = "3-D Secure", 84, 201
    status, money, stock = "DELIVERED", (1, 1250), (9, 0, 1)
    bookings = 1
    mails = {"order_confirmed": 1, "order_shipped": 1}

    def act(self, tell: Tell) -> None:
        self.shopper.place(key=KEY, payment_method=CHALLENGED)
        self.sandbox.answer_challenge(self.order_id(), "approve")
        self.webhooks()
        payment_tasks.apply_webhooks()
        relay.drain_all()
        resume_due()
        relay.drain_all()

    def again(self) -> Any:
        answer = self.shopper.place(key=KEY, payment_method=CHALLENGED)
        intent = self.sandbox.intent(self.order_id())
        if intent.status == "requires_action":
            self.sandbox.answer_challenge(self.order_id(), "approve")
        self.webhooks()
        return answer
