"""A confirmed order that is canceled: the parcel, the money and the stock agree."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail

from local.carrier.gateway import SandboxCarrier
from local.carrier.models import SandboxBooking
from orders.models import Inbox, Order, Outbox
from orders.rules import FULL_REFUNDS, CancelReason
from orders.sagas.entry import cancel_order, resume, resume_due
from orders.services import OrderAlreadyShipped, announce_partial_refund, request_cancel
from payments import api as payments
from payments.models import Refund
from shipping import api as shipping
from shipping.gateways import CarrierUnavailable
from shop import transactions
from shop.events import relay
from shop.money import Money
from tests.driver.mails import html_of
from tests.driver.orders import dispatch, levels, make_due, payment, placed, reservation, saga_of, sent_back, status_of
from tests.driver.provider import Provider, in_threads, refunds_refused
from tests.driver.shopper import Shopper, id_in
from tests.driver.tables import execute
from tests.integration.orders.refunding import confirmed, parcel, refund


def test_a_confirmed_order_is_canceled_stopped_refunded_and_restocked(
    shopper: Shopper, sandbox: Provider, drain: Callable[[], None]
):
    order_id = id_in(shopper.place(quantity=2))
    relay.drain_all()
    assert parcel(order_id) == "PENDING"

    answer = shopper.cancel(order_id)

    assert (answer.status_code, answer.json()["status"]) == (200, "REFUNDED")
    assert answer.json()["payment"]["refunded"]["amount_minor"] == 2500
    assert (parcel(order_id), reservation(order_id)) == ("CANCELED", "RETURNED")
    assert (levels(), sandbox.money(order_id)) == ((10, 0, 0), (1, 0))
    drain()
    assert (status_of(order_id), parcel(order_id)) == ("REFUNDED", "CANCELED")
    assert "refund" in mail.outbox[-1].subject.lower()


def test_the_mail_of_a_cancel_names_what_it_returned_and_what_went_back_before(
    shopper: Shopper, staff: Shopper, sandbox: Provider, drain: Callable[[], None]
):
    order_id = id_in(shopper.place(quantity=2))
    for minor in (500, 303):
        assert refund(staff, order_id, minor).status_code == 201

    shopper.cancel(order_id)
    drain()

    (told,) = [sent for sent in mail.outbox if sent.subject.startswith("Your refund for order")]
    assert "we have refunded €16.97 to" in told.body
    assert "With the €8.03 that we had refunded before, that is\n€25.00 in all." in told.body
    assert "<strong>€16.97</strong>" in html_of(told)
    assert "€16.97 is on its way back to you." in html_of(told)


def test_a_cancel_counts_what_was_refunded_in_the_providers_dashboard(shopper: Shopper, sandbox: Provider):
    order_id = id_in(shopper.place())
    sandbox.stripe.v1.refunds.create({"payment_intent": sandbox.intent(order_id).id, "amount": 400})

    asked = shopper.cancel(order_id)
    make_due()
    resume_due()

    assert (asked.status_code, asked.json()["status"]) == (202, "REFUNDING")
    assert (status_of(order_id), reservation(order_id)) == ("REFUNDED", "RETURNED")
    assert sandbox.money(order_id) == (1, 0)


def test_a_refund_that_the_provider_keeps_refusing_calls_a_human_who_can_end_it(shopper: Shopper, sandbox: Provider):
    order_id = id_in(shopper.place())

    with refunds_refused():
        asked = shopper.cancel(order_id)
        for _walk in range(FULL_REFUNDS + 1):
            resume(order_id=order_id)
    parked = saga_of(order_id, "refund").parked_at
    payments.refund_payment(order_id=order_id, refund_id=uuid.uuid4(), amount=None, reason="staff")
    resume(order_id=order_id)

    assert (asked.status_code, asked.json()["status"]) == (202, "REFUNDING")
    assert parked is not None
    assert (status_of(order_id), reservation(order_id), sandbox.money(order_id)) == ("REFUNDED", "RETURNED", (1, 0))


@pytest.mark.parametrize(
    ("method", "ends"), [("pm_card_visa", "REFUNDED"), ("pm_card_authenticationRequired", "CANCELED")]
)
def test_who_cancels_or_pays_again_and_again_uses_up_no_try_of_the_refund(
    shopper: Shopper, sandbox: Provider, method: str, ends: str
):
    order_id = id_in(shopper.place(payment_method=method))
    if ends == "CANCELED":
        sandbox.answer_challenge(order_id, "approve")
        sandbox.stripe.v1.payment_intents.capture(sandbox.intent(order_id).id)

    with refunds_refused():
        first = shopper.cancel(order_id)
        execute("orders", "UPDATE orders_saga SET due_at = now() + interval '1 hour' WHERE due_at IS NOT NULL")
        again = [shopper.cancel(order_id).status_code for _click in range(3)]
        for _click in range(3):
            shopper.pay(order_id)
    assert (first.status_code, again) == (202, [202] * 3)
    assert Refund.objects.filter(payment_id=order_id).count() == 1

    make_due()
    resume_due()
    assert (status_of(order_id), sandbox.money(order_id)) == (ends, (1, 0))


def test_a_refund_that_is_refused_while_an_order_unwinds_is_made_again(shopper: Shopper, sandbox: Provider):
    order_id = id_in(shopper.place(payment_method="pm_card_authenticationRequired"))
    sandbox.answer_challenge(order_id, "approve")
    sandbox.stripe.v1.payment_intents.capture(sandbox.intent(order_id).id)

    with refunds_refused():
        asked = shopper.cancel(order_id)
        make_due()
        resume_due()
    waiting = (saga_of(order_id).waiting_for, reservation(order_id), sandbox.money(order_id))
    make_due()
    resume_due()

    assert (asked.status_code, asked.json()["status"], asked["Retry-After"]) == (202, "CANCELING", "1")
    assert waiting == ("retry", "RELEASED", (1, 1250))
    assert (status_of(order_id), reservation(order_id), sandbox.money(order_id)) == ("CANCELED", "RELEASED", (1, 0))


def test_a_cancel_before_the_confirmation_is_heard_leaves_no_parcel_behind(mug: str, drain: Callable[[], None]):
    order_id = confirmed()

    cancel_order(order_id=order_id, reason=CancelReason.STAFF_REQUEST)
    drain()

    assert (status_of(order_id), parcel(order_id)) == ("REFUNDED", "CANCELED")


def test_a_parcel_that_left_first_keeps_its_order_and_its_money(mug: str, sandbox: Provider, drain: Callable[[], None]):
    order_id = confirmed()
    dispatch(order_id, tracking_number="TRACK-7", tell=False)

    with pytest.raises(OrderAlreadyShipped):
        cancel_order(order_id=order_id, reason=CancelReason.CUSTOMER_REQUEST)

    order = Order.objects.get(pk=order_id)
    assert (order.status, order.tracking_number, order.cancel_reason) == ("SHIPPED", "TRACK-7", "")
    assert (sandbox.money(order_id), levels()) == ((1, 1250), (9, 0, 1))
    told = Outbox.objects.get(aggregate_id=order_id, type="order.shipped")
    assert told.payload["tracking_number"] == "TRACK-7"
    drain()
    assert status_of(order_id) == "DELIVERED"
    assert Outbox.objects.filter(aggregate_id=order_id, type="order.shipped").count() == 1


def test_a_parcel_that_its_carrier_has_already_is_not_canceled_and_the_customer_is_told_so(
    shopper: Shopper, sandbox: Provider, settings: Any, drain: Callable[[], None]
):
    settings.SANDBOX_CARRIER_TRANSIT_SECONDS = 3600.0
    order_id = id_in(shopper.place())
    drain()
    assert parcel(order_id) == "BOOKED"
    settings.SANDBOX_CARRIER_TRANSIT_SECONDS = 0.0

    answer = shopper.cancel(order_id)

    assert (answer.status_code, answer.json()["code"]) == (409, "order_already_shipped")
    assert (status_of(order_id), parcel(order_id)) == ("SHIPPED", "DISPATCHED")
    assert (sandbox.money(order_id), levels()) == ((1, 1250), (9, 0, 1))
    make_due()
    drain()
    assert status_of(order_id) == "DELIVERED"
    assert [each.subject for each in mail.outbox if "refund" in each.subject.lower()] == []


def test_a_cancel_waits_for_a_carrier_that_does_not_answer(
    shopper: Shopper, sandbox: Provider, settings: Any, drain: Callable[[], None], monkeypatch: pytest.MonkeyPatch
):
    settings.SANDBOX_CARRIER_TRANSIT_SECONDS = 3600.0
    order_id = id_in(shopper.place())
    drain()

    def unavailable(*_args: Any, **_kwargs: Any) -> None:
        raise CarrierUnavailable

    with monkeypatch.context() as away:
        away.setattr(SandboxCarrier, "void", unavailable)
        answer = shopper.cancel(order_id)

    assert (answer.status_code, answer.json()["status"], parcel(order_id)) == (202, "REFUNDING", "BOOKED")
    assert sandbox.money(order_id) == (1, 1250)
    make_due()
    drain()
    assert (status_of(order_id), parcel(order_id)) == ("REFUNDED", "CANCELED")
    assert (sandbox.money(order_id), levels()) == ((1, 0), (10, 0, 0))


def test_a_delivery_heard_of_before_the_dispatch_ends_delivered(mug: str):
    order_id = confirmed()
    dispatch(order_id, tell=False)
    shipment = shipping.get_shipment(order_id=order_id)
    shipping.confirm_delivery(shipment_id=shipment.shipment_id)
    execute(
        "shipping",
        "UPDATE shipping_outbox SET claimed_until = now() + interval '1 hour' WHERE type = 'shipment.dispatched'",
    )

    _deliver("shipment.delivered")

    assert status_of(order_id) == "DELIVERED"
    assert Order.objects.get(pk=order_id).tracking_number == "TRACK-1"
    execute("shipping", "UPDATE shipping_outbox SET claimed_until = NULL")
    relay.drain_all()
    assert status_of(order_id) == "DELIVERED"
    told = Outbox.objects.filter(aggregate_id=order_id).order_by("id").values_list("type", flat=True)
    assert list(told)[-2:] == ["order.shipped", "order.delivered"]


def test_a_delivery_heard_of_during_the_refund_waits_for_the_saga(mug: str, drain: Callable[[], None]):
    order_id = confirmed()
    dispatch(order_id, tell=False)
    request_cancel(order_id=order_id, reason=CancelReason.CUSTOMER_REQUEST)
    shipment = shipping.get_shipment(order_id=order_id)
    shipping.confirm_delivery(shipment_id=shipment.shipment_id)

    relay.drain_all()

    assert status_of(order_id) == "REFUNDING"
    assert Inbox.objects.get(event_type="shipment.delivered").status == "RETRYING"
    make_due()
    drain()
    make_due()
    drain()
    assert status_of(order_id) == "DELIVERED"
    assert Inbox.objects.get(event_type="shipment.delivered").status == "PROCESSED"


def _deliver(event_type: str) -> None:
    from shipping.models import Outbox as ShippingOutbox
    from shop.events.transport import InlineTransport

    InlineTransport().send([row.envelope() for row in ShippingOutbox.objects.filter(type=event_type)])


def test_a_cancel_races_the_dispatch_and_one_of_them_wins(
    mug: str, sandbox: Provider, settings: Any, drain: Callable[[], None]
):
    from shipping.services import booking

    for _round in range(3):
        settings.SANDBOX_CARRIER_TRANSIT_SECONDS = 3600.0
        order_id = confirmed()
        relay.drain_all()
        booking.book_due_shipments()
        shipment = shipping.get_shipment(order_id=order_id)

        in_threads(
            lambda: cancel_order(order_id=order_id, reason=CancelReason.CUSTOMER_REQUEST),  # noqa: B023
            lambda: shipping.dispatch_shipment(shipment_id=shipment.shipment_id, tracking_number="T"),  # noqa: B023
        )
        settings.SANDBOX_CARRIER_TRANSIT_SECONDS = 0.0
        make_due()
        drain()
        if status_of(order_id) == "SHIPPED":
            # The dispatch came just after the carrier had given the booking up: it follows nothing, so staff say it arrived.
            assert SandboxBooking.objects.get(reference=shipment.shipment_id).voided_at is not None
            shipping.confirm_delivery(shipment_id=shipment.shipment_id)
            drain()

        kept = sandbox.money(order_id)[1]
        assert (status_of(order_id), kept) in [("DELIVERED", 1250), ("REFUNDED", 0)]


def test_a_parcel_dispatched_just_after_its_booking_was_given_up_keeps_its_order_and_its_money(
    mug: str, sandbox: Provider, settings: Any, drain: Callable[[], None], monkeypatch: pytest.MonkeyPatch
):
    from shipping.services import booking

    settings.SANDBOX_CARRIER_TRANSIT_SECONDS = 3600.0
    order_id = confirmed()
    relay.drain_all()
    booking.book_due_shipments()
    shipment_id = shipping.get_shipment(order_id=order_id).shipment_id
    void = SandboxCarrier.void

    def overtaken(self: SandboxCarrier, *, carrier_reference: str) -> None:
        void(self, carrier_reference=carrier_reference)
        shipping.dispatch_shipment(shipment_id=shipment_id, tracking_number="T")

    monkeypatch.setattr(SandboxCarrier, "void", overtaken)

    with pytest.raises(OrderAlreadyShipped):
        cancel_order(order_id=order_id, reason=CancelReason.CUSTOMER_REQUEST)
    drain()
    assert (status_of(order_id), sandbox.money(order_id)) == ("SHIPPED", (1, 1250))

    shipping.confirm_delivery(shipment_id=shipment_id)
    drain()
    assert status_of(order_id) == "DELIVERED"


def owe(order_id: uuid.UUID, minor: int | None = None) -> None:
    """Refund once more what the bank has returned."""
    amount = Money(minor, "EUR") if minor else None
    payments.refund_payment(order_id=order_id, refund_id=uuid.uuid4(), amount=amount, reason="staff")


@pytest.mark.parametrize("parts", [(None,), (400, None)])
def test_each_refund_in_place_of_a_returned_one_is_told_and_mailed_once(
    parts: tuple[int | None, ...], mug: str, sandbox: Provider, drain: Callable[[], None]
):
    order_id = placed(payment_method="pm_card_pendingRefund")
    resume(order_id=order_id)
    assert cancel_order(order_id=order_id, reason=CancelReason.CUSTOMER_REQUEST).status == "REFUNDED"
    drain()
    sent_back(sandbox, order_id)
    drain()
    mail.outbox.clear()

    for minor in parts:
        owe(order_id, minor)
        drain()
    payments.refresh_payment(order_id=order_id)
    drain()

    told = Outbox.objects.filter(aggregate_id=order_id, type="order.refund_issued").order_by("id")
    amounts = [1250] if parts == (None,) else [400, 850]
    assert [row.payload["amount"]["minor"] for row in told] == amounts
    assert [sent.subject for sent in mail.outbox] == [
        f"Your order {Order.objects.get().number}: a refund is on its way" for _amount in amounts
    ]
    assert (status_of(order_id), payment(order_id)) == ("REFUNDED", "REFUNDED")


@pytest.mark.parametrize(("again", "told"), [(False, 0), (True, 1)])
def test_a_canceled_order_tells_of_a_refund_only_in_place_of_a_returned_one(
    again: bool, told: int, order_in: Callable[[str], uuid.UUID]
):
    order_id = order_in("CANCELED")

    with transactions.transaction("orders"):
        announce_partial_refund(order_id=order_id, refund_id=uuid.uuid4(), amount=Money(400, "EUR"), again=again)

    assert Outbox.objects.filter(aggregate_id=order_id, type="order.refund_issued").count() == told


# --- parts -------------------------------------------------------------------------------------------------------------
