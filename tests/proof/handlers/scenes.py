"""Journeys of one order, each stopped where events of it are on their way. Real services make every event."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.test import override_settings

from inventory.api import receive_stock
from inventory.services.expiry import release_expired_reservations
from orders.rules import CancelReason
from orders.sagas.entry import cancel_order, refund_order, resume
from payments import tasks as payments
from shipping import api as shipping
from shipping.services import booking
from shop.events import relay
from shop.money import Money
from tests.driver.orders import placed, sent_back
from tests.driver.provider import Provider, post_signed
from tests.driver.shopper import Shopper
from tests.driver.tables import execute
from tests.proof.handlers.moments import Bus


@dataclass(frozen=True)
class Stage:
    """Who plays: a signed-in customer, the provider, and the bus that holds events back."""

    shopper: Shopper
    sandbox: Provider
    bus: Bus

    def placed(self, payment_method: str = "pm_card_visa") -> uuid.UUID:
        return placed(payment_method=payment_method, customer_id=self.shopper.user.pk)

    def shipment(self, order_id: uuid.UUID) -> uuid.UUID:
        found = shipping.get_shipment(order_id=order_id)
        assert found is not None
        return found.shipment_id


def confirmed(stage: Stage) -> None:
    order_id = stage.placed()
    stage.bus.hold(lambda: resume(order_id=order_id))


def confirmed_then_refunded_at_once(stage: Stage) -> None:
    order_id = stage.placed()
    stage.bus.hold(
        lambda: resume(order_id=order_id),
        lambda: cancel_order(order_id=order_id, reason=CancelReason.CUSTOMER_REQUEST),
    )


def refunded_after_booking(stage: Stage) -> None:
    order_id = stage.placed()
    resume(order_id=order_id)
    relay.drain_all()
    with override_settings(SANDBOX_CARRIER_TRANSIT_SECONDS=3600.0):  # the carrier has not fetched the parcel yet
        booking.book_due_shipments()
        stage.bus.hold(lambda: cancel_order(order_id=order_id, reason=CancelReason.STAFF_REQUEST))


def declined(stage: Stage) -> None:
    order_id = stage.placed("pm_card_chargeDeclinedStolenCard")
    stage.bus.hold(lambda: resume(order_id=order_id))


def canceled_while_it_waits(stage: Stage) -> None:
    order_id = stage.placed("pm_card_authenticationRequired")
    resume(order_id=order_id)
    relay.drain_all()
    stage.bus.hold(lambda: cancel_order(order_id=order_id, reason=CancelReason.CUSTOMER_REQUEST))


def authenticated(stage: Stage) -> None:
    order_id = stage.placed("pm_card_authenticationRequired")
    resume(order_id=order_id)
    relay.drain_all()
    stage.sandbox.answer_challenge(order_id, "approve")
    for event in stage.sandbox.events("payment_intent.amount_capturable_updated"):
        post_signed(event)
    stage.bus.hold(payments.apply_webhooks)


def failed_at_the_bank(stage: Stage) -> None:
    order_id = stage.placed("pm_card_authenticationRequired")
    resume(order_id=order_id)
    relay.drain_all()
    stage.sandbox.answer_challenge(order_id, "fail")
    for event in stage.sandbox.events("payment_intent.payment_failed"):
        post_signed(event)
    stage.bus.hold(payments.apply_webhooks)


def captured_without_an_answer(stage: Stage) -> None:
    order_id = stage.placed()
    stage.sandbox.fail("lost_answer", "*/capture")
    resume(order_id=order_id)
    relay.drain_all()
    execute("payments", "UPDATE payments_payment SET due_at = now() WHERE order_id = %s", order_id)
    stage.bus.hold(payments.resolve_unknown_payments)


def canceled_at_the_bank(stage: Stage) -> None:
    order_id = stage.placed("pm_card_authenticationRequired")
    resume(order_id=order_id)
    relay.drain_all()
    stage.sandbox.answer_challenge(order_id, "approve")
    stage.sandbox.expire(order_id)
    for event in stage.sandbox.events("payment_intent.canceled"):
        post_signed(event)
    stage.bus.hold(payments.apply_webhooks)


def expired(stage: Stage) -> None:
    order_id = stage.placed("")
    resume(order_id=order_id)
    relay.drain_all()
    execute("inventory", "UPDATE inventory_reservation SET expires_at = now() WHERE order_id = %s", order_id)
    stage.bus.hold(release_expired_reservations)


def dispatched_and_delivered(stage: Stage) -> None:
    order_id = stage.placed()
    resume(order_id=order_id)
    relay.drain_all()
    booking.book_due_shipments()
    shipment_id = stage.shipment(order_id)
    stage.bus.hold(
        lambda: shipping.dispatch_shipment(shipment_id=shipment_id, tracking_number="TRACK-1"),
        lambda: shipping.confirm_delivery(shipment_id=shipment_id),
    )


def refunded_in_two_parts(stage: Stage) -> None:
    order_id = stage.placed()
    resume(order_id=order_id)
    relay.drain_all()

    def refund(minor: int) -> Any:
        return refund_order(order_id=order_id, operation=f"op-{minor}", amount=Money(minor, "EUR"), reason="a scratch")

    stage.bus.hold(lambda: refund(100), lambda: refund(200))


def shipped_and_refunded_in_part(stage: Stage) -> None:
    """Hold what orders itself tells: that the parcel left, and that a part of the money goes back."""
    dispatched_and_delivered(stage)
    heard, stage.bus.held = stage.bus.held, []
    order_id = uuid.UUID(heard[0][1]["data"]["order_id"])
    refund_order(order_id=order_id, operation="op", amount=Money(100, "EUR"), reason="a scratch")
    payments_told: list[Callable[[], Any]] = [lambda: stage.bus.send([])]
    stage.bus.hold(*payments_told)
    heard, stage.bus.held = heard + stage.bus.held, []
    from shop.events import inbox

    stage.bus.hold(*[lambda each=each: inbox.deliver(subscriber=each[0], attributes=each[1]) for each in heard])


def part_sent_back_by_the_bank(stage: Stage) -> None:
    order_id = stage.placed("pm_card_pendingRefund")
    resume(order_id=order_id)
    refund_order(order_id=order_id, operation="op", amount=Money(100, "EUR"), reason="a scratch")
    relay.drain_all()
    stage.bus.hold(lambda: sent_back(stage.sandbox, order_id))


def return_of_a_part_told_by_orders(stage: Stage) -> None:
    part_sent_back_by_the_bank(stage)
    heard, stage.bus.held = stage.bus.held, []
    from shop.events import inbox

    stage.bus.hold(*[lambda each=each: inbox.deliver(subscriber=each[0], attributes=each[1]) for each in heard])


def disputed_and_decided(stage: Stage) -> None:
    """Hold what is told of an inquiry that becomes a chargeback and is won."""
    receive_stock(sku="MUG", quantity=1, reference="the scenes before have sold the others")
    order_id = stage.placed()
    resume(order_id=order_id)
    relay.drain_all()
    intent_id = stage.sandbox.intent(order_id).id
    inquiry = {"inquiry": True}
    dispute_id = stage.sandbox.control("POST", f"payment_intents/{intent_id}/dispute", inquiry)["id"]

    def decide(outcome: str) -> None:
        stage.sandbox.control("POST", f"disputes/{dispute_id}/settle", {"outcome": outcome})
        tell()

    def tell() -> None:
        for event in stage.sandbox.events("charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed"):
            post_signed(event)
        payments.apply_webhooks()

    stage.bus.hold(tell, lambda: decide("escalate"), lambda: decide("win"))


SCENES = (
    confirmed,
    confirmed_then_refunded_at_once,
    refunded_after_booking,
    declined,
    canceled_while_it_waits,
    authenticated,
    failed_at_the_bank,
    captured_without_an_answer,
    canceled_at_the_bank,
    expired,
    dispatched_and_delivered,
    refunded_in_two_parts,
    shipped_and_refunded_in_part,
    part_sent_back_by_the_bank,
    return_of_a_part_told_by_orders,
    disputed_and_decided,
)
