"""A shop with one order, brought to where two can meet over it: each scene by use cases, lost answers and lost requests."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

from django.apps import apps
from django.core import mail
from django.core.cache import cache
from django.db import connections, router
from django.db.models import Model

from local.carrier.models import SandboxBooking
from orders.gateways import inventory_breaker
from orders.models import Order
from payments import tasks as payment_tasks
from payments.gateways.stripe import adapter as stripe_adapter
from payments.services import reconcile_payments
from shipping.models import Outbox as ShippingOutbox
from shipping.services import booking
from shop.clock import now
from shop.events import inbox, subscribers
from shop.events.outbox import OutboxMessage
from shop.models import IdempotencyKey
from tests.driver.factories import OrderBodyFactory, ProductFactory, UserFactory
from tests.driver.orders import status_of
from tests.driver.provider import Provider, post_signed
from tests.driver.shopper import Shopper, id_in
from tests.driver.tables import context_models

CHALLENGED = "pm_card_authenticationRequired"
POOR = "pm_card_chargeDeclinedInsufficientFunds"
GOOD = ("pm_card_visa", "pm_card_mastercard")
PLACED_WITH = "the-key-that-the-order-was-placed-with"
Scene = Callable[["Stage"], None]
PART = 800
"""What staff give back of 1250: two such parts are more than was taken."""


@dataclass
class Told:
    """An answer to somebody's request, and how to make the same request once more."""

    answer: Any
    again: Callable[[], Any]


@dataclass
class Stage:
    """The shop, the provider and those who act."""

    sandbox: Provider
    settings: Any
    order_id: uuid.UUID = field(init=False)
    erased: bool = field(init=False, default=False)
    cards: Iterator[str] = field(init=False, default_factory=lambda: cycle(GOOD))

    def __post_init__(self) -> None:
        names = ("orders.view_order", "orders.cancel_order", "orders.refund_order")
        self.shopper = Shopper(UserFactory())
        self.staff = Shopper(UserFactory(is_staff=True, permissions=names))

    def begin(self, scene: Scene) -> None:
        """Empty the shop and the provider's books, and bring one order to the scene."""
        for alias in connections:
            _forget(alias)
        cache.clear()
        mail.outbox.clear()
        inventory_breaker.reset()
        stripe_adapter.BREAKER.reset()
        self.sandbox.control("POST", "reset", {})
        self.settings.SANDBOX_CARRIER_TRANSIT_SECONDS = 3600.0
        self.cards = cycle(GOOD)
        ProductFactory(sku="MUG", stock=10)
        if self.erased:
            self.shopper, self.erased = Shopper(UserFactory()), False
        scene(self)
        self.sandbox.heal()

    def place(self, **body: Any) -> Any:
        answer = self.shopper.place(key=PLACED_WITH, **body)
        (self.order_id,) = Order.objects.values_list("pk", flat=True)
        return answer

    def refund_a_part(self, key: str) -> Any:
        body = {"amount": {"amount_minor": PART, "currency": "EUR"}, "reason": "a chip in the glaze"}
        return self.staff.post(f"orders/{self.order_id}/refunds", body, key=key)

    @property
    def shopper_id(self) -> uuid.UUID:
        assert self.shopper.user is not None
        return uuid.UUID(str(self.shopper.user.pk))

    def dispute_what_is_left(self) -> None:
        """Have the cardholder's bank take back what is left of the money, where some is."""
        for line in self.sandbox.ledger(self.order_id):
            if line["net"] > 0:
                self.sandbox.control("POST", f"payment_intents/{line['id']}/dispute", {"amount": line["net"]})

    def dispute_notices(self) -> list[dict[str, Any]]:
        """Return what the provider tells of disputes, oldest first."""
        return [event for event in self.sandbox.events() if event["type"].startswith("charge.dispute.")]

    def have_disputes_won(self) -> None:
        """Have the bank decide every open dispute for the shop, and everybody hear of it."""
        for event in [each for each in self.dispute_notices() if each["type"] == "charge.dispute.created"]:
            self.sandbox.control("POST", f"disputes/{event['data']['object']['id']}/settle", {"outcome": "win"})
        for event in self.dispute_notices():
            assert post_signed(event).status_code == 200

    def webhooks(self, *types: str) -> None:
        for event in self.sandbox.events(*types):
            assert post_signed(event).status_code == 200


def _forget(alias: str) -> None:
    every: list[type[Model]] = [*context_models(), IdempotencyKey, SandboxBooking]
    models = [model for model in every if _lives_on(model, alias)]
    with connections[alias].cursor() as cursor:
        # Append-only tables refuse DELETE by trigger.
        cursor.execute(
            "SET session_replication_role = replica; "
            + "".join(f"DELETE FROM {model._meta.db_table}; " for model in models)
            + "SET session_replication_role = DEFAULT"
        )


def _lives_on(model: Any, alias: str) -> bool:
    return router.db_for_write(model) == alias


def messages() -> list[Any]:
    """Return every fact that stands in an outbox, as its message."""
    outboxes = [model for model in apps.get_models() if issubclass(model, OutboxMessage)]
    return [row.envelope() for model in outboxes for row in model._default_manager.order_by("id")]


def tell(subscriber: str) -> None:
    """Deliver what stands in the outboxes to one subscriber only; the others will hear of it later."""
    for envelope in messages():
        if subscriber in {heard_by.name for heard_by in subscribers.hearers_of(envelope.type, envelope.data)}:
            inbox.deliver(subscriber=subscriber, attributes=envelope.to_json())


# --- the scenes --------------------------------------------------------------------------------------------------------


def placed(stage: Stage) -> None:
    """The order is recorded, and nothing else."""
    stage.place(headers={"Prefer": "respond-async"})
    assert status_of(stage.order_id) == "PENDING"


def unpaid(stage: Stage) -> None:
    """The order holds its stock and waits for a payment method."""
    body = OrderBodyFactory()
    del body["payment_method"]
    stage.order_id = id_in(stage.shopper.post("orders", body))
    assert status_of(stage.order_id) == "AWAITING_PAYMENT"


def challenged(stage: Stage) -> None:
    """The bank waits for the customer, who has done nothing yet."""
    stage.place(payment_method=CHALLENGED)
    assert status_of(stage.order_id) == "AWAITING_PAYMENT"


def authenticated(stage: Stage) -> None:
    """The customer has authenticated at the bank, and nobody has heard of it."""
    stage.place(payment_method=CHALLENGED)
    stage.sandbox.answer_challenge(stage.order_id, "approve")


def declined(stage: Stage) -> None:
    """The card was declined; the order holds its stock and waits for another one."""
    stage.place(payment_method=POOR)
    assert status_of(stage.order_id) == "AWAITING_PAYMENT"


def late_success(stage: Stage) -> None:
    """The card was declined; the browser has confirmed the same intent again, and nobody has heard of that."""
    declined(stage)
    intent_id = stage.sandbox.intent(stage.order_id).id
    stage.sandbox.stripe.v1.payment_intents.confirm(
        intent_id, {"payment_method": "pm_card_jcb", "use_stripe_sdk": True}
    )


def authorized(stage: Stage) -> None:
    """The bank's webhook has been applied; orders has not heard of it."""
    authenticated(stage)
    stage.webhooks("payment_intent.amount_capturable_updated")
    payment_tasks.apply_webhooks()
    assert status_of(stage.order_id) == "AWAITING_PAYMENT"


def capturing(stage: Stage) -> None:
    """The money is taken, and the bank's answer is lost."""
    stage.sandbox.fail("lost_answer", "/v1/payment_intents/*/capture")
    stage.place()
    assert status_of(stage.order_id) == "CONFIRMING"


def captured(stage: Stage) -> None:
    """Payments knows that the money is taken; the order has not gone on."""
    capturing(stage)
    reconcile_payments(since=now())


def unbooked(stage: Stage) -> None:
    """The order is confirmed, and its parcel waits to be booked; mails and notices wait."""
    stage.place()
    tell("shipping.create_shipment_for_order")


def confirmed(stage: Stage) -> None:
    """The order is confirmed and its parcel booked; mails and notices wait."""
    unbooked(stage)
    booking.book_due_shipments()
    assert ShippingOutbox.objects.filter(type="shipment.booked").exists()


def collected(stage: Stage) -> None:
    """The carrier has the parcel; shipping has not asked yet."""
    confirmed(stage)
    stage.settings.SANDBOX_CARRIER_TRANSIT_SECONDS = 0.0


def refunded_in_part(stage: Stage) -> None:
    """Staff gave a part of the money back, and the bank's answer is lost."""
    confirmed(stage)
    stage.sandbox.fail("lost_answer", "/v1/refunds")
    assert stage.refund_a_part("lost").status_code == 503


def canceling(stage: Stage) -> None:
    """The customer has canceled the unpaid order, and the request to void its payment is lost."""
    authenticated(stage)
    stage.sandbox.fail("lost_request", "/v1/payment_intents/*/cancel")
    stage.shopper.cancel(stage.order_id)
    assert status_of(stage.order_id) == "CANCELING"


def refunding(stage: Stage) -> None:
    """The customer has canceled the confirmed order; the money is back, and the bank's answer is lost."""
    confirmed(stage)
    stage.sandbox.fail("lost_answer", "/v1/refunds")
    stage.shopper.cancel(stage.order_id)
    assert status_of(stage.order_id) == "REFUNDING"
