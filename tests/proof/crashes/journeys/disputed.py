"""Ways of an order whose payment is disputed at the customer's bank."""

from __future__ import annotations

from typing import Any, ClassVar

from local.carrier.models import SandboxBooking
from payments import tasks as payment_tasks
from payments.models import Payment
from shipping.models import Hold
from shop.events import relay
from tests.proof.crashes.children import Lived, Tell
from tests.proof.crashes.journeys.journey import KEY, Journey


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
