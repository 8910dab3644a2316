"""What the outside does wrong: lost answers, failures that last, open breakers, an authorization that ran out."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import structlog
from django.db import connections

from orders.gateways import inventory_breaker
from orders.models import Order
from orders.sagas.engine import PARK_AFTER_ATTEMPTS
from orders.sagas.entry import resume, resume_due
from payments.gateways.stripe import adapter as stripe_adapter
from shop import transactions
from shop.observability.metrics import gauges
from shop.story.timeline import story_of
from tests.driver.orders import levels, make_due, pass_deadline, payment, placed, reservation, saga_of, status_of
from tests.driver.provider import Provider
from tests.driver.shop import violations
from tests.driver.shopper import Shopper, id_in
from tests.driver.tables import execute

CALLS = {
    "create": "/v1/payment_intents",
    "confirm": "/v1/payment_intents/*/confirm",
    "capture": "/v1/payment_intents/*/capture",
}
LOST = ("lost_request", "lost_answer", "error_500", "error_500_after_effect", "conflict_409")


@pytest.mark.parametrize("kind", LOST)
@pytest.mark.parametrize("call", CALLS)
def test_an_answer_that_does_not_come_is_asked_for_and_never_charged_twice(
    call: str, kind: str, shopper: Shopper, sandbox: Provider, settle: Callable[[], None]
):
    sandbox.fail(kind, CALLS[call])

    answer = shopper.place()

    order_id = id_in(answer)
    assert (answer.status_code, answer.json()["next_action"]) == (202, "wait"), answer.content
    assert answer["Location"].endswith(str(order_id))
    assert answer["Retry-After"] == "1"
    settle()
    assert shopper.order(order_id)["status"] == "DELIVERED"
    assert sandbox.money(order_id) == (1, 1250)
    assert sum(line["held"] for line in sandbox.ledger(order_id)) == 0


@pytest.mark.parametrize("kind", LOST)
def test_a_cancel_whose_answer_is_lost_ends_canceled(
    kind: str, shopper: Shopper, sandbox: Provider, settle: Callable[[], None]
):
    order_id = id_in(shopper.place(payment_method="pm_card_authenticationRequired"))
    sandbox.fail(kind, "/v1/payment_intents/*/cancel")

    answer = shopper.cancel(order_id)

    assert (answer.status_code, answer.json()["status"]) == (202, "CANCELING")
    assert (reservation(order_id), levels()) == ("PAYING", (9, 1, 0))
    settle()
    assert (status_of(order_id), sandbox.intent(order_id).status) == ("CANCELED", "canceled")


def test_a_webhook_hurries_an_order_that_rests_until_its_next_try(
    shopper: Shopper, sandbox: Provider, post_webhook: Callable[..., Any], drain: Callable[[], None]
):
    sandbox.fail("lost_answer", CALLS["confirm"])
    order_id = id_in(shopper.place())
    execute("orders", "UPDATE orders_saga SET due_at = now() + interval '1 hour'")

    for event in sandbox.events("payment_intent.amount_capturable_updated"):
        post_webhook(event)
    drain()

    assert status_of(order_id) == "DELIVERED"
    assert sandbox.money(order_id) == (1, 1250)


def test_the_same_key_after_a_lost_answer_tells_how_the_order_stands(shopper: Shopper, sandbox: Provider):
    sandbox.fail("lost_answer", CALLS["confirm"])
    key = str(uuid.uuid4())
    first = shopper.place(key=key)

    again = shopper.place(key=key)

    assert (first.status_code, again.status_code, again.json()["status"]) == (202, 201, "CONFIRMED")
    assert id_in(again) == id_in(first)
    assert sandbox.money(id_in(first)) == (1, 1250)


def test_the_same_payment_again_after_a_lost_answer_is_no_conflict(shopper: Shopper, sandbox: Provider):
    order_id = placed(payment_method="", customer_id=shopper.user.pk)
    resume(order_id=order_id)
    sandbox.fail("lost_request", CALLS["capture"])
    key = str(uuid.uuid4())
    first = shopper.pay(order_id, "pm_card_visa", key=key)
    assert (first.status_code, first.json()["status"]) == (202, "CONFIRMING")

    again = shopper.pay(order_id, "pm_card_visa", key=key)

    assert (again.status_code, again.json()["status"]) == (201, "CONFIRMED")


def test_a_client_secret_that_cannot_be_fetched_does_not_hide_the_order(shopper: Shopper, sandbox: Provider):
    sandbox.fail("lost_answer", "/v1/payment_intents/*", method="GET", times=None)

    placed = shopper.place(payment_method="pm_card_authenticationRequired")
    answer = shopper.pay(id_in(placed))

    # The walk that confirmed has been told the secret: it is not asked for once more.
    assert (placed.status_code, placed.json()["next_action"]) == (201, "authenticate")
    assert placed.json()["payment"]["client_secret"]
    assert (answer.status_code, answer.json()["status"]) == (202, "AWAITING_PAYMENT")
    sandbox.heal()
    assert shopper.pay(id_in(answer)).json()["payment"]["client_secret"]


def test_an_authorization_that_ran_out_before_the_capture_unwinds_the_order(
    shopper: Shopper, sandbox: Provider, settle: Callable[[], None]
):
    sandbox.fail("lost_request", CALLS["capture"])
    order_id = id_in(shopper.place())
    assert (status_of(order_id), reservation(order_id)) == ("CONFIRMING", "COMMITTED")

    sandbox.expire(order_id)
    settle()

    assert (status_of(order_id), payment(order_id), reservation(order_id)) == ("CANCELED", "VOIDED", "RELEASED")
    assert Order.objects.get(pk=order_id).cancel_reason == "authorization_gone"
    assert (levels(), sandbox.money(order_id)) == ((10, 0, 0), (0, 0))


def test_a_capture_that_goes_on_failing_calls_for_a_human_and_is_still_tried(
    shopper: Shopper, sandbox: Provider, settle: Callable[[], None]
):
    sandbox.fail("error_500", CALLS["capture"], times=None)
    order_id = id_in(shopper.place())

    with structlog.testing.capture_logs() as logs:
        for _attempt in range(PARK_AFTER_ATTEMPTS - 1):
            assert saga_of(order_id).parked_at is None
            make_due()
            resume_due()

    saga = saga_of(order_id)
    assert (status_of(order_id), saga.attempts >= PARK_AFTER_ATTEMPTS) == ("CONFIRMING", True)
    assert saga.parked_at is not None
    assert saga.due_at is not None
    parked = [entry for entry in logs if entry["event"] == "saga.parked"]
    assert [(entry["log_level"], entry["order_id"]) for entry in parked] == [("error", str(order_id))]
    sandbox.heal()
    settle()
    assert (status_of(order_id), saga_of(order_id).parked_at) == ("DELIVERED", None)
    assert sandbox.money(order_id) == (1, 1250)


def test_failures_before_a_move_do_not_count_after_it(sandbox: Provider, mug: str):
    order_id = placed()
    sandbox.fail("lost_request", CALLS["confirm"], times=3)
    for _attempt in range(3):
        resume(order_id=order_id)
    before = saga_of(order_id).attempts
    sandbox.fail("lost_request", CALLS["capture"])

    resume(order_id=order_id)

    assert (before, status_of(order_id), saga_of(order_id).attempts) == (3, "CONFIRMING", 1)


def test_an_outage_that_lasts_until_the_deadline_unwinds_and_says_so(
    shopper: Shopper, sandbox: Provider, settle: Callable[[], None]
):
    sandbox.fail("reset", CALLS["create"], times=None)
    order_id = id_in(shopper.place())
    assert saga_of(order_id).parked_at is None

    pass_deadline(order_id)
    resume_due()

    assert (status_of(order_id), payment(order_id)) == ("CANCELED", "VOIDED")
    assert Order.objects.get(pk=order_id).cancel_reason == "payment_unavailable"


def test_an_open_breaker_on_the_provider_answers_503_and_names_the_order(
    shopper: Shopper, sandbox: Provider, settings: Any, settle: Callable[[], None]
):
    settings.BREAKER_MINIMUM_CALLS = 2
    sandbox.fail("reset", CALLS["create"], times=2)
    shopper.place()
    shopper.place()
    key = str(uuid.uuid4())

    answer = shopper.place(key=key)

    order_id = id_in(answer)
    assert (answer.status_code, answer["Content-Type"]) == (503, "application/problem+json")
    assert 1 <= int(answer["Retry-After"]) <= 30
    assert answer["Location"].endswith(str(order_id))
    assert answer.json()["facts"]["order_status"] == "AWAITING_PAYMENT"
    assert sandbox.intents(order_id) == []
    stripe_adapter.BREAKER.reset()
    settle()
    assert status_of(order_id) == "DELIVERED"
    again = shopper.place(key=key)
    assert (again.status_code, id_in(again)) == (201, order_id)
    assert sandbox.money(order_id) == (1, 1250)


@contextmanager
def slow_inventory(*, seconds: float) -> Iterator[None]:
    """Have PostgreSQL itself take its time over each reservation, more than a statement may take here."""
    own = connections[transactions.alias_for("inventory")]
    slowness = own.copy()
    try:
        with slowness.cursor() as cursor:
            cursor.execute(
                "CREATE FUNCTION inventory.take_time() RETURNS trigger LANGUAGE plpgsql AS"
                f" $$ BEGIN PERFORM pg_sleep({seconds}); RETURN new; END $$"
            )
            cursor.execute(
                "CREATE TRIGGER slow BEFORE INSERT ON inventory.inventory_reservation"
                " FOR EACH ROW EXECUTE FUNCTION inventory.take_time()"
            )
            try:
                with own.cursor() as impatient:
                    impatient.execute("SET statement_timeout = '200ms'")
                yield
            finally:
                with own.cursor() as impatient:
                    impatient.execute("RESET statement_timeout")
                cursor.execute("DROP FUNCTION inventory.take_time() CASCADE")
    finally:
        slowness.close()


def test_inventory_that_does_not_answer_is_503_then_its_breaker_opens_and_the_order_goes_on_later(
    shopper: Shopper, sandbox: Provider, settings: Any, settle: Callable[[], None]
):
    settings.BREAKER_TIMEOUT_SECONDS = 0.1
    settings.BREAKER_MINIMUM_CALLS = 2
    key = str(uuid.uuid4())
    with slow_inventory(seconds=1):
        slow = shopper.place(key=key)
        opened = shopper.place(key=key)

        order_id = id_in(slow)
        assert (slow.status_code, slow.json()["code"]) == (503, "inventory_unavailable")
        assert (opened.status_code, id_in(opened)) == (503, order_id)
        while inventory_breaker.state().state != "open":
            shopper.place(key=key)
        answer = shopper.place(key=key)
        assert (answer.status_code, answer.json()["code"], id_in(answer)) == (503, "breaker_open", order_id)
        assert int(answer["Retry-After"]) >= 1
        unpriced = shopper.place()
        assert (unpriced.status_code, unpriced.json()["code"]) == (503, "breaker_open")
        assert (status_of(order_id), Order.objects.count()) == ("PENDING", 1)
    inventory_breaker.reset()
    settle()

    assert (status_of(order_id), sandbox.money(order_id)) == ("DELIVERED", (1, 1250))


def test_a_product_in_great_demand_is_503_for_its_buyers_and_opens_no_breaker_for_the_others(
    shopper: Shopper, sandbox: Provider, settings: Any, settle: Callable[[], None]
):
    settings.BREAKER_TIMEOUT_SECONDS = 0.1
    settings.BREAKER_MINIMUM_CALLS = 2
    key = str(uuid.uuid4())
    buyer = connections[transactions.alias_for("inventory")].copy()
    try:
        with buyer.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT 1 FROM inventory_stock WHERE sku = 'MUG' FOR UPDATE")

            answers = [shopper.place(key=key) for _ in range(4)]

            order_id = id_in(answers[0])
            told = {(answer.status_code, answer.json()["code"], answer["Retry-After"]) for answer in answers}
            assert told == {(503, "inventory_busy", "1")}
            assert (inventory_breaker.state().state, inventory_breaker.state().failures) == ("closed", 0)
            cursor.execute("ROLLBACK")
    finally:
        buyer.close()
    settle()

    assert (status_of(order_id), sandbox.money(order_id)) == ("DELIVERED", (1, 1250))


def test_a_refund_whose_request_is_lost_is_made_once(shopper: Shopper, sandbox: Provider, settle: Callable[[], None]):
    order_id = id_in(shopper.place())
    sandbox.fail("lost_answer", "/v1/refunds")

    answer = shopper.cancel(order_id)

    assert (answer.status_code, answer.json()["status"]) == (202, "REFUNDING")
    settle()
    assert (status_of(order_id), sandbox.money(order_id)) == ("REFUNDED", (1, 0))
    assert (reservation(order_id), levels()) == ("RETURNED", (10, 0, 0))


@contextmanager
def disk_full(context: str, table: str) -> Iterator[None]:
    """Have PostgreSQL fail at every change of a table's rows, while it answers everything else."""
    execute(
        context,
        "CREATE FUNCTION fail_full() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full'; END$$",
    )
    execute(context, f"CREATE TRIGGER fail_full BEFORE UPDATE ON {table} EXECUTE FUNCTION fail_full()")
    try:
        yield
    finally:
        execute(context, "DROP FUNCTION fail_full CASCADE")


def test_an_order_that_is_walked_again_and_again_without_an_end_shows_by_its_age(
    mug: str, settle: Callable[[], None], caplog: pytest.LogCaptureFixture
):
    order_id = placed()
    (looping,) = [gauge for gauge in gauges() if gauge.name == "shop_sagas_looping_seconds"]
    with disk_full("orders", "orders_order"):
        for _walk in range(3):
            make_due()
            resume_due()
            execute("orders", "UPDATE orders_saga SET walked_since = walked_since - interval '3 minutes'")

        assert caplog.text.count("saga.database_unavailable") == 3
        assert (saga_of(order_id).attempts, saga_of(order_id).parked_at) == (0, None)
        assert looping.read()[()] > 500
        assert [found for found in violations() if found.startswith("I10") and "no walk of its checkout saga" in found]
        (coming,) = story_of(order_id).upcoming
        assert "no walk came to its end" in coming.what

    settle()
    assert status_of(order_id) == "DELIVERED"
    assert looping.read()[()] == 0


def test_a_walk_that_comes_to_an_end_is_no_loop(mug: str, sandbox: Provider):
    sandbox.fail("lost_request", CALLS["capture"])
    order_id = placed()
    make_due()

    resume_due()

    assert (saga_of(order_id).attempts, saga_of(order_id).walked_since) == (1, None)


# --- the engine itself, with a toy table ---------------------------------------------------------------------------
