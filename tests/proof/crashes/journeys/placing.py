"""Ways of an order that is placed: confirmed, declined, free, by the last use of a code, taken along by an account."""

from __future__ import annotations

from typing import Any, ClassVar

from allauth.account.models import EmailAddress

from orders.models import DiscountCode, Order, Outbox
from shop import tasks as shop_tasks
from shop.accounts.guests import admit_guest
from shop.events import relay
from shop.personal import guests
from tests.driver.factories import UserFactory
from tests.proof.crashes.children import Lived, Tell
from tests.proof.crashes.journeys.journey import KEY, Journey


class Confirm(Journey):
    """An order is placed and paid in one request, and its events go out."""

    name, floor, answer = "confirm", 54, 201
    status, money, stock = "DELIVERED", (1, 1250), (9, 0, 1)
    bookings = 1
    mails = {"order_confirmed": 1, "order_shipped": 1}

    def act(self, tell: Tell) -> None:
        tell(self.again())
        relay.drain_all()

    def again(self) -> Any:
        return self.shopper.place(key=KEY)


class LastUse(Confirm):
    """An order is placed with the last use of a discount code."""

    name, floor = "the last use of a code", 50
    money: ClassVar[tuple[int, int]] = (1, 1125)
    percent: ClassVar[int] = 10

    def prepare(self) -> None:
        DiscountCode.objects.create(code="LAST", label="Off", percent=self.percent, max_uses=1, once_per_customer=True)

    def again(self) -> Any:
        return self.shopper.place(key=KEY, codes=["LAST"])

    def wrongs(self, lived: Lived, answer: Any) -> list[str]:
        uses = list(DiscountCode.objects.values_list("held", "used"))
        return super().wrongs(lived, answer) + ([] if uses == [(0, 1)] else [f"uses of the code: {uses}"])


class NothingToPay(LastUse):
    """A code takes all off: the order is confirmed without a payment."""

    name, floor = "nothing to pay", 36
    money: ClassVar[tuple[int, int]] = (0, 0)
    percent: ClassVar[int] = 100


class LastUseDeclined(LastUse):
    """The bank refuses the card of an order with the last use of a code: the use is given back."""

    name, floor, answer = "the last use of a code, declined", 46, 402
    status, money, stock = "CANCELED", (0, 0), (10, 0, 0)
    bookings = 0
    mails: ClassVar[dict[str, int]] = {"order_canceled": 1}

    def again(self) -> Any:
        return self.shopper.place(key=KEY, codes=["LAST"], payment_method="pm_card_chargeDeclinedLostCard")

    def wrongs(self, lived: Lived, answer: Any) -> list[str]:
        uses = list(DiscountCode.objects.values_list("held", "used"))
        return Journey.wrongs(self, lived, answer) + ([] if uses == [(0, 0)] else [f"uses of the code: {uses}"])


class TakenAlong(Confirm):
    """An account verifies the mailbox of a guest who has paid an order: the order is the account's, once."""

    name, floor, answer = "taken along", 24, 0

    def prepare(self) -> None:
        guest = admit_guest(email="ada@shop.example")
        self.guest, self.account = guest.user, UserFactory()
        self.shopper.headers = {"Authorization": f"Bearer {guest.token}"}
        self.shopper.place(key=KEY)
        relay.drain_all()
        EmailAddress.objects.create(user=self.account, email="ada@shop.example", verified=True, primary=True)

    def act(self, tell: Tell) -> None:
        self.resend()
        shop_tasks.take_guests_along()
        relay.drain_all()

    def resend(self) -> None:
        """Sign in: what a crash after the verification has lost is asked for again."""
        guests.take_guests_along(user_id=self.account.pk)

    def again(self) -> Any:
        return None

    def wrongs(self, lived: Lived, answer: Any) -> list[str]:
        owners = list(Order.objects.values_list("customer_id", "guest_id"))
        told = Outbox.objects.filter(type="order.taken_along").count()
        wrong = [] if owners == [(self.account.pk, self.guest.pk)] else [f"the order is of {owners}"]
        return super().wrongs(lived, answer) + wrong + ([] if told == 1 else [f"it is told {told} times"])


class Decline(Journey):
    """The bank refuses the card for good: everything is undone within the request."""

    name, floor, answer = "decline", 46, 402
    status, money, stock = "CANCELED", (0, 0), (10, 0, 0)
    mails = {"order_canceled": 1}

    def act(self, tell: Tell) -> None:
        tell(self.again())
        relay.drain_all()

    def again(self) -> Any:
        return self.shopper.place(key=KEY, payment_method="pm_card_chargeDeclinedLostCard")
