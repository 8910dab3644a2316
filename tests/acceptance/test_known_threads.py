"""What the best systems got wrong, in their own code or threads: each as a test that passes here."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest
from django.core import mail
from django.db import IntegrityError, connections

from inventory import api as inventory
from orders.models import Inbox, Order
from orders.rules import CancelReason
from orders.sagas.entry import cancel_order, resume, resume_due
from payments.models import Payment
from shop.errors import Refusal
from shop.events import relay
from tests.driver.factories import ProductFactory
from tests.driver.orders import dispatch, levels, make_due, payment, placed, reservation, saga_of, status_of
from tests.driver.provider import Provider, close_provider_connection, held, in_threads
from tests.driver.shopper import Shopper, id_in
from tests.driver.tables import execute, table_away


def walk(order_id: uuid.UUID) -> None:
    try:
        resume(order_id=order_id)
    finally:
        connections.close_all()
        close_provider_connection()


@pytest.mark.parametrize("call", ["create_intent", "confirm_intent", "capture_intent"])
def test_no_row_is_locked_while_the_provider_is_called(call: str, mug: str, sandbox: Provider):
    """Saleor calls the gateway while holding row locks: a slow provider stops everybody who needs those rows."""
    order_id = placed()
    worker = Thread(target=walk, args=(order_id,))
    with held(call) as called:
        worker.start()
        called.wait()

        for context, table, key in (
            ("orders", "orders_order", "id"),
            ("orders", "orders_saga", "order_id"),
            ("payments", "payments_payment", "order_id"),
            ("inventory", "inventory_reservation", "order_id"),
        ):
            execute(context, f"SELECT 1 FROM {table} WHERE {key} = %s FOR UPDATE NOWAIT", order_id)
        execute("inventory", "SELECT 1 FROM inventory_stock FOR UPDATE NOWAIT")

    worker.join()
    assert (status_of(order_id), sandbox.money(order_id)) == ("CONFIRMED", (1, 1250))


def test_completion_and_webhooks_race_and_the_order_is_completed_once(
    shopper: Shopper, sandbox: Provider, post_webhook: Callable[..., Any], settle: Callable[[], None]
):
    """Saleor: the checkout's completion races the webhook of the same payment; orders were doubled or lost."""
    order_id = id_in(shopper.place(payment_method="pm_card_authenticationRequired"))
    sandbox.answer_challenge(order_id, "approve")
    (event,) = sandbox.events("payment_intent.amount_capturable_updated")

    answers = in_threads(
        lambda: shopper.pay(order_id).status_code,
        lambda: post_webhook(event).status_code,
        lambda: post_webhook(event).status_code,
        lambda: shopper.pay(order_id).status_code,
    )
    settle()

    assert set(answers) <= {200, 201, 202}
    assert (status_of(order_id), sandbox.money(order_id), levels()) == ("DELIVERED", (1, 1250), (9, 0, 1))
    assert Order.objects.count() == 1


def test_a_workflow_that_lost_the_race_undoes_nothing_of_the_winner(
    mug: str, sandbox: Provider, settings: Any, settle: Callable[[], None]
):
    """Medusa #13301: the workflow that lost the race compensated, and refunded the good order of the winner."""
    settings.STRIPE_TIMEOUT_SECONDS = 20.0
    sandbox.fail("late", "/v1/payment_intents/*/confirm", delay_seconds=0.5)
    order_id = placed()

    in_threads(*[lambda: resume(order_id=order_id)] * 4)
    settle()

    assert (status_of(order_id), reservation(order_id)) == ("DELIVERED", "COMMITTED")
    assert sandbox.money(order_id) == (1, 1250)
    assert sandbox.ledger(order_id)[0]["refunds"] == 0


@pytest.mark.makes_facts_up
def test_the_guard_of_the_stock_is_in_the_database_and_not_in_its_caller(mug: str):
    """Medusa #16569: the check of what is available stood in the caller, so callers that met oversold."""
    wanted = [inventory.Line("MUG", 3)]

    outcomes = in_threads(
        *[lambda: inventory.reserve_stock(order_id=uuid.uuid4(), lines=wanted, for_payment=True) for _each in range(8)]
    )

    refused = [outcome for outcome in outcomes if isinstance(outcome, inventory.InsufficientStock)]
    assert (len(refused), levels()) == (5, (1, 9, 0))
    with pytest.raises(IntegrityError):
        execute("inventory", "UPDATE inventory_stock SET available = available - 2, reserved = reserved + 2")


def test_two_lines_of_one_product_are_counted_together(shopper: Shopper, sandbox: Provider):
    """Medusa #16502: two lines of one SKU were each checked alone, and together oversold."""
    answer = shopper.place(lines=[{"sku": "MUG", "quantity": 6}, {"sku": "MUG", "quantity": 5}])

    assert (answer.status_code, answer.json()["facts"]["wanted"]) == (409, 11)
    assert (levels(), sandbox.intents(id_in(answer))) == ((10, 0, 0), [])


def test_stock_never_goes_negative_and_can_be_put_right(mug: str):
    """Medusa #12401: stock could go negative, and no call could repair it."""
    with pytest.raises(inventory.StockWouldGoNegative):
        inventory.write_off_stock(sku="MUG", quantity=11, reason="counted")

    inventory.write_off_stock(sku="MUG", quantity=10, reason="counted")
    inventory.receive_stock(sku="MUG", quantity=4, reference="found again")

    assert levels() == (4, 0, 0)


def test_money_that_arrives_for_an_order_that_cannot_take_it_goes_back(
    shopper: Shopper, sandbox: Provider, post_webhook: Callable[..., Any], settle: Callable[[], None]
):
    """Vendure: the webhook answered 200 when the order could not transition: money without an order, and nobody told."""
    order_id = id_in(shopper.place(payment_method="pm_card_authenticationRequired"))
    # The bank's approval and a capture by hand in the dashboard, while the customer cancels here.
    sandbox.answer_challenge(order_id, "approve")
    sandbox.stripe.v1.payment_intents.capture(sandbox.intent(order_id).id)
    cancel_order(order_id=order_id, reason=CancelReason.CUSTOMER_REQUEST)

    assert {post_webhook(event).status_code for event in sandbox.events("payment_intent.succeeded")} == {200}
    settle()

    assert (status_of(order_id), payment(order_id)) == ("CANCELED", "REFUNDED")
    assert (sandbox.money(order_id), levels()) == ((1, 0), (10, 0, 0))


def test_every_charge_has_its_order(shopper: Shopper, sandbox: Provider, settle: Callable[[], None]):
    """Oscar #4246: about one payment in five was charged and left no order behind."""
    for path in ("/v1/payment_intents", "/v1/payment_intents/*/confirm", "/v1/payment_intents/*/capture"):
        sandbox.fail("lost_answer", path)
        shopper.place()

    settle()

    charged = [line for line in sandbox.control("GET", "ledger")["payment_intents"] if line["net"]]
    assert len(charged) == 3
    assert {line["order_id"] for line in charged} == {
        str(pk) for pk in Order.objects.filter(status="DELIVERED").values_list("pk", flat=True)
    }


def test_a_mail_that_fails_never_touches_its_order(
    shopper: Shopper, sandbox: Provider, settings: Any, settle: Callable[[], None]
):
    """Oscar #3768: a failing email thawed the basket that had just been paid."""
    settings.EMAIL_BACKEND = "tests.acceptance.test_known_threads.NoMailToday"

    answer = shopper.place()
    settle()

    assert answer.status_code == 201
    assert (status_of(id_in(answer)), sandbox.money(id_in(answer)), mail.outbox) == ("DELIVERED", (1, 1250), [])


class NoMailToday:
    """A mail server that refuses everything."""

    def __init__(self, **_options: object) -> None:
        pass

    def open(self) -> None:
        raise OSError("no mail today")

    def close(self) -> None:
        pass

    def send_messages(self, messages: list[Any]) -> int:
        raise OSError("no mail today")


def test_an_event_whose_handler_raises_is_not_lost(mug: str, drain: Callable[[], None]):
    """EShop acknowledges a message when its handler raises: the event is gone."""
    order_id = placed()
    resume(order_id=order_id)
    dispatch(order_id, tell=False)
    with table_away("orders", "orders_order"):
        relay.drain_all()

    assert (status_of(order_id), Inbox.objects.get(event_type="shipment.dispatched").status) == (
        "CONFIRMED",
        "RETRYING",
    )
    make_due()
    drain()
    assert status_of(order_id) == "DELIVERED"


def test_what_is_about_to_be_sent_is_committed_before_it_is_sent(
    mug: str, sandbox: Provider, settle: Callable[[], None]
):
    """Spree #9265: the flag "processing" was not committed before the call, so two processes charged."""
    order_id = placed()
    worker = Thread(target=walk, args=(order_id,))
    with held("confirm_intent", has_effect=False) as confirming:
        worker.start()
        confirming.wait()
        seen = Payment.objects.get(pk=order_id)
        resume(order_id=order_id)
    worker.join()
    settle()

    assert (seen.status, seen.intent_id) == ("SUBMITTED", sandbox.intent(order_id).id)
    assert (status_of(order_id), sandbox.money(order_id)) == ("DELIVERED", (1, 1250))


def test_refunds_at_once_never_exceed_the_capture(shopper: Shopper, staff: Shopper, sandbox: Provider):
    """Hyperswitch #13182: concurrent refunds exceeded the capture."""
    order_id = id_in(shopper.place())
    body = {"amount": {"amount_minor": 700, "currency": "EUR"}, "reason": "a scratch"}

    answers = in_threads(
        *[lambda: staff.post(f"orders/{order_id}/refunds", body).status_code for _each in range(3)],
        lambda: shopper.cancel(order_id).status_code,
    )

    make_due()
    resume_due()
    assert sandbox.money(order_id)[1] >= 0
    assert sandbox.ledger(order_id)[0]["refunded"] <= 1250
    assert set(answers) <= {200, 201, 202, 409}
    assert answers.count(201) <= 1


def test_a_shopper_is_never_blocked_by_their_own_hold(shopper: Shopper, sandbox: Provider):
    """WooCommerce #67354: a shopper who tried again was told "out of stock": by the hold of their own first try."""
    ProductFactory(sku="LAST", stock=1)
    key = str(uuid.uuid4())
    sandbox.fail("lost_request", "/v1/payment_intents/*/confirm")
    first = shopper.place(key=key, sku="LAST")
    assert first.status_code == 202

    again = shopper.place(key=key, sku="LAST")

    assert (again.status_code, id_in(again), again.json()["status"]) == (201, id_in(first), "CONFIRMED")
    other = shopper.place(sku="LAST")
    assert other.status_code == 409


def test_a_shopper_whose_order_waits_for_payment_frees_its_hold_by_canceling(shopper: Shopper):
    """WooCommerce #67354, with a new order instead of a retry."""
    ProductFactory(sku="LAST", stock=1)
    waiting = id_in(shopper.place(sku="LAST", payment_method="pm_card_authenticationRequired"))
    assert shopper.place(sku="LAST").status_code == 409

    shopper.cancel(waiting)

    assert shopper.place(sku="LAST").status_code == 201
    assert saga_of(waiting).finished_at is not None


def test_a_refusal_is_never_retried(shopper: Shopper, sandbox: Provider):
    """Every one of them, somewhere: a card that was declined is asked again until the bank blocks it."""
    order_id = id_in(shopper.place(payment_method="pm_card_chargeDeclined"))
    before = len(sandbox.events("payment_intent.payment_failed"))

    make_due()
    resume_due()
    shopper.pay(order_id)

    assert len(sandbox.events("payment_intent.payment_failed")) == before == 1
    assert issubclass(inventory.InsufficientStock, Refusal)
