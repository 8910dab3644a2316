"""The way of an order, cut in four: what was before, what a doomed process does, what its client does, what holds."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar

from django.core.cache import cache

from local.carrier.models import SandboxBooking
from notifications.models import Email
from orders.gateways import inventory_breaker
from orders.models import Order, Saga
from payments.gateways.stripe import adapter as stripe_adapter
from tests.driver.factories import ProductFactory, UserFactory
from tests.driver.orders import levels
from tests.driver.provider import Provider, post_signed
from tests.driver.shopper import Shopper
from tests.driver.tables import empty_tables
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
