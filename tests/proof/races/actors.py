"""Those who may act on one order at the same moment, each by the way in that it has in the product."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from inventory import tasks as inventory_tasks
from orders import tasks as order_tasks
from payments import services as payments
from payments import tasks as payment_tasks
from shop import tasks as shop_tasks
from shop.clock import now
from shop.errors import ShopError
from shop.events import inbox, subscribers
from shop.personal import erasure
from shop.personal.accounts import person_of
from tests.driver.orders import pass_deadline
from tests.driver.provider import post_signed
from tests.driver.tables import execute
from tests.proof.crashes.enumeration import make_everything_due, run_sweeps
from tests.proof.races.overlap import Call
from tests.proof.races.stage import (
    PLACED_WITH,
    Scene,
    Stage,
    Told,
    captured,
    challenged,
    declined,
    late_success,
    messages,
    placed,
    refunded_in_part,
    refunding,
    unpaid,
)


@dataclass(frozen=True)
class Actor:
    """Somebody who acts: `make` gives what they do in a scene."""

    name: str
    make: Callable[[Stage, Scene], Call]


def asks(request: Callable[[str], Any], *, key: str = "") -> Call:
    """Return a client's request; the same key again is the same request again."""
    key = key or str(uuid.uuid4())
    return Call(lambda _world: Told(request(key), again=lambda: request(key)))


def complete(stage: Stage, scene: Scene) -> Call:
    """The storefront goes on: the order placed once more with its key, or paid; after a decline each brings a card of its own."""
    if scene is placed:
        return asks(lambda key: stage.shopper.place(key=key), key=PLACED_WITH)
    card = next(stage.cards) if scene in (unpaid, challenged, declined, late_success) else ""
    return asks(lambda key: stage.shopper.pay(stage.order_id, card, key=key))


def webhook(stage: Stage, scene: Scene) -> Call:
    """The provider's notices arrive, and are applied and heard."""

    def act(events: Any) -> None:
        for event in events:
            assert post_signed(event).status_code == 200
        payment_tasks.apply_webhooks()
        shop_tasks.relay_outbox()
        order_tasks.resume_sagas()

    return Call(act, ready=stage.sandbox.events)


def expiry(stage: Stage, scene: Scene) -> Call:
    """The order's time is over: its hold expires, and its saga looks at the deadline."""

    def time_passes() -> None:
        pass_deadline(stage.order_id)
        execute("inventory", "UPDATE inventory_reservation SET expires_at = now() WHERE expires_at IS NOT NULL")

    def act(_world: Any) -> None:
        inventory_tasks.release_expired_reservations()
        order_tasks.resume_sagas()

    return Call(act, ready=time_passes)


def customer_cancels(stage: Stage, scene: Scene) -> Call:
    return asks(lambda key: stage.shopper.cancel(stage.order_id, key=key))


def more_time(stage: Stage, scene: Scene) -> Call:
    """The customer asks for more time to pay."""
    return asks(lambda key: stage.shopper.extend(stage.order_id, key=key))


def staff_cancel(stage: Stage, scene: Scene) -> Call:
    return asks(lambda key: stage.staff.cancel(stage.order_id, key=key))


def refund(stage: Stage, scene: Scene) -> Call:
    """Staff give money back: a part, the part whose answer was lost, or all that is left by payments' own action."""
    if scene in (captured, refunding):
        return Call(lambda _world: _refund_all(stage))
    return asks(stage.refund_a_part, key="lost" if scene is refunded_in_part else "")


def _refund_all(stage: Stage) -> str:
    try:
        payments.refund_payment(order_id=stage.order_id, refund_id=uuid.uuid4(), amount=None, reason="staff")
    except ShopError as refusal:
        return refusal.code
    return ""


def redelivery(stage: Stage, scene: Scene) -> Call:
    """Every message that there is comes twice to everybody who hears it, whether it came before or not."""

    def act(known: Any) -> None:
        for envelope in known:
            for subscriber in subscribers.hearers_of(envelope.type, envelope.data):
                for _time in range(2):
                    inbox.deliver(subscriber=subscriber.name, attributes=envelope.to_json())

    return Call(act, ready=messages)


def reconcile(stage: Stage, scene: Scene) -> Call:
    """Go through the provider's books."""
    return Call(lambda _world: payments.reconcile_payments(since=now() - timedelta(hours=1)))


def sweep(stage: Stage, scene: Scene) -> Call:
    """Every sweep runs, and takes whoever is at work for a zombie whose lease has passed."""
    return Call(lambda _world: run_sweeps(), ready=make_everything_due)


def dispute(stage: Stage, scene: Scene) -> Call:
    """The cardholder disputes what is left of the money; the bank's notices arrive, and are applied and heard."""

    def open_at_the_bank() -> Any:
        stage.dispute_what_is_left()
        return stage.dispute_notices()

    def act(events: Any) -> None:
        for event in events:
            assert post_signed(event).status_code == 200
        payment_tasks.apply_webhooks()
        shop_tasks.relay_outbox()
        order_tasks.resume_sagas()

    return Call(act, ready=open_at_the_bank)


def erase(stage: Stage, scene: Scene) -> Call:
    """The customer is to be erased, and a worker takes that up at once."""

    def act(_world: Any) -> None:
        stage.erased = True
        erasure.carry_out(erasure.ask(person_of(user_id=stage.shopper_id), asked_by="a race"))

    return Call(act)


ACTORS = (
    Actor("complete", complete),
    Actor("webhook", webhook),
    Actor("expiry", expiry),
    Actor("cancel by customer", customer_cancels),
    Actor("cancel by staff", staff_cancel),
    Actor("refund", refund),
    Actor("redelivery", redelivery),
    Actor("reconcile", reconcile),
    Actor("sweep", sweep),
    Actor("dispute", dispute),
    Actor("erase", erase),
    Actor("more time", more_time),
)
