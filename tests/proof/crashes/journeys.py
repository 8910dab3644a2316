"""The ways of an order, each cut in four: what was before, what a doomed process does, what its client does, what holds."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar

from allauth.account.models import EmailAddress
from django.contrib.sessions.models import Session
from django.core.cache import cache

from local.carrier.models import SandboxBooking
from notifications.models import Email
from orders.gateways import inventory_breaker
from orders.models import Contact, DiscountCode, Order, Outbox, Saga
from orders.sagas.entry import resume_due
from payments import tasks as payment_tasks
from payments.gateways.stripe import adapter as stripe_adapter
from payments.models import Payment
from shipping.models import Hold
from shipping.services import booking
from shop import tasks as shop_tasks
from shop.accounts.guests import admit_guest
from shop.events import relay
from shop.models import Erasure, IdempotencyKey, User
from shop.personal import erasure, guests
from shop.personal.accounts import person_of
from shop.tasks import erase_persons
from tests.driver.factories import OrderBodyFactory, ProductFactory, UserFactory
from tests.driver.orders import levels, pass_deadline
from tests.driver.provider import Provider, post_signed
from tests.driver.shopper import Shopper, id_in
from tests.driver.tables import empty_tables, execute
from tests.proof.crashes.children import Lived, Tell

KEY = "6f1b0c52-the-storefront-keeps-it"
CHALLENGED = "pm_card_authenticationRequired"
Drain = Callable[[], None]


class Journey:
    """One way of an order. `floor`: with fewer points than these the recording has gone blind.

    `status` and `money` of each of its `orders`, `stock`, `mails` and `bookings` are what must come out, wherever the
    process died.
    """

    name: ClassVar[str]
    floor: ClassVar[int]
    answer: ClassVar[int]
    status: ClassVar[str]
    money: ClassVar[tuple[int, int]]
    stock: ClassVar[tuple[int, int, int]]
    mails: ClassVar[dict[str, int]]
    bookings: ClassVar[int] = 0
    orders: ClassVar[int] = 1
    transit_seconds: ClassVar[float] = 0.0

    def __init__(self, sandbox: Provider, drain: Drain) -> None:
        self.sandbox = sandbox
        self.drain = drain

    def begin(self) -> None:
        """Empty the shop and the provider's books, and walk to where the journey begins."""
        empty_tables()
        cache.clear()
        inventory_breaker.reset()
        stripe_adapter.BREAKER.reset()
        self.sandbox.control("POST", "reset", {})
        ProductFactory(sku="MUG", stock=10)
        self.shopper = Shopper(UserFactory())
        self.prepare()

    def prepare(self) -> None:
        """Do what lies before the journey."""

    def act(self, tell: Tell) -> None:
        """Do the journey, in the process that may die; `tell` what the client is answered."""
        raise NotImplementedError

    def resend(self) -> None:
        """Do what the outside repeats until it is answered, before anything else goes on."""

    def again(self) -> Any:
        """Do what the client does that never saw its answer: the same once more. Returns the answer."""
        raise NotImplementedError

    def order_id(self) -> uuid.UUID:
        (order,) = Order.objects.all()
        return order.pk

    def webhooks(self) -> None:
        """Send every webhook that the provider has, as it does until each is answered with 200."""
        for event in self.sandbox.events():
            assert post_signed(event).status_code == 200

    def wrongs(self, lived: Lived, answer: Any) -> list[str]:
        """Say what is not as it must be in the end."""
        found = list(Order.objects.values_list("pk", "status"))
        mails = dict(Counter(Email.objects.values_list("kind", flat=True)))
        unsent = Email.objects.exclude(status="SENT").count()
        held = sum(line["held"] for order_id, _status in found for line in self.sandbox.ledger(order_id))
        facts = {
            "order": ([status for _order_id, status in found], [self.status] * self.orders),
            "money taken and kept": ([self.sandbox.money(pk) for pk, _status in found], [self.money] * self.orders),
            "money still held": (held, 0),
            "stock": (levels(), self.stock),
            "mails": (mails, self.mails),
            "mails not sent": (unsent, 0),
            "bookings at the carrier": (SandboxBooking.objects.filter(voided_at=None).count(), self.bookings),
            "sagas still open": (Saga.objects.filter(finished_at=None).count(), 0),
        }
        wrong = [f"{fact}: {is_} instead of {must}" for fact, (is_, must) in facts.items() if is_ != must]
        return wrong + (self._differences(lived, answer) if answer is not None else [])

    def _differences(self, lived: Lived, answer: Any) -> list[str]:
        body = answer.content.decode()
        if answer.status_code != self.answer:
            return [f"the client was answered {answer.status_code} instead of {self.answer}: {body[:300]}"]
        return [
            f"the client was told {told['status']} {told['body'][:200]}, then {answer.status_code} {body[:200]}"
            for told in lived.told
            if (told["status"], json.loads(told["body"])) != (answer.status_code, json.loads(body))
        ]


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
        for context in ("orders", "payments"):
            execute(
                context,
                f"UPDATE {context}_outbox SET occurred_at = occurred_at - interval '10 minutes',"
                " published_at = least(published_at, now() - interval '6 minutes')",
            )

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


class DisputeOpened(Journey):
    """A cardholder disputes an order whose parcel waits: it is held, and goes on once the bank has decided for the shop."""

    name, floor, answer = "dispute opened", 14, 0
    status, money, stock = "DELIVERED", (1, 1250), (9, 0, 1)
    bookings = 1
    mails: ClassVar = {"order_confirmed": 1, "order_shipped": 1}
    outcome = "win"

    def prepare(self) -> None:
        self.shopper.place(key=KEY)
        relay.drain_all()
        intent_id = self.sandbox.intent(self.order_id()).id
        self.dispute_id = self.sandbox.control("POST", f"payment_intents/{intent_id}/dispute", {})["id"]

    def hear(self) -> None:
        """Hear what the bank has done, as a worker does."""
        self.webhooks()
        payment_tasks.apply_webhooks()
        relay.drain_all()

    def act(self, tell: Tell) -> None:
        self.hear()

    def again(self) -> Any:
        return None

    def decide(self) -> None:
        """Have the bank decide, and everybody hear of it."""
        self.sandbox.control("POST", f"disputes/{self.dispute_id}/settle", {"outcome": self.outcome})
        self.hear()
        self.drain()

    def resend(self) -> None:
        self.hear()

    def wrongs(self, lived: Lived, answer: Any) -> list[str]:
        wrong = [] if self._held() else ["the parcel is not held while the dispute is open"]
        self.decide()
        return wrong + super().wrongs(lived, answer)

    def _held(self) -> bool:
        held = Hold.objects.filter(released_at=None).exists()
        return held and not SandboxBooking.objects.filter(voided_at=None).exists()


class DisputeWon(DisputeOpened):
    """The bank decides for the shop while the parcel is held: it goes on."""

    name, floor = "dispute won", 14

    def prepare(self) -> None:
        super().prepare()
        self.hear()
        self.sandbox.control("POST", f"disputes/{self.dispute_id}/settle", {"outcome": self.outcome})

    def wrongs(self, lived: Lived, answer: Any) -> list[str]:
        self.drain()
        return Journey.wrongs(self, lived, answer)


class DisputeLost(DisputeWon):
    """The bank decides for its customer: the money is gone, once, and the parcel waits for staff."""

    name, floor = "dispute lost", 14
    status, money, bookings = "CONFIRMED", (1, 0), 0
    mails: ClassVar = {"order_confirmed": 1}
    outcome = "lose"

    def wrongs(self, lived: Lived, answer: Any) -> list[str]:
        wrong = super().wrongs(lived, answer)
        lost = list(Payment.objects.values_list("lost_minor", flat=True))
        return (
            wrong
            + ([] if self._held() else ["the parcel does not wait for staff"])
            + ([] if lost == [1250] else [f"the books say that {lost} were lost"])
        )


JOURNEYS: tuple[type[Journey], ...] = (
    Confirm,
    LastUse,
    NothingToPay,
    LastUseDeclined,
    TakenAlong,
    Decline,
    AnotherCard,
    MoreTime,
    Cancel,
    Expiry,
    ExpiryOfChallenge,
    Challenge,
    Refund,
    RefundInPart,
    Ship,
    Erase,
    DisputeOpened,
    DisputeWon,
    DisputeLost,
)
