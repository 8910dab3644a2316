"""The audit: clean after every journey, and for each promise a violation planted by raw SQL is named and exits with 1."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from orders import services
from orders.models import Order
from orders.sagas.entry import resume, resume_due
from payments import audit as audit_of_payments
from shop import audit as kernel
from shop.events import dead_letters, relay
from shop.events.inbox import bury, inbox_of
from shop.management.commands import audit as command
from tests.driver.orders import placed, status_of
from tests.driver.provider import Provider
from tests.driver.shop import violations
from tests.driver.shopper import Shopper, id_in
from tests.driver.tables import execute, table_away

HOUR = "interval '1 hour'"


@pytest.fixture(autouse=True)
def shop_at_rest(sandbox: Provider) -> None:
    """Leave out the audit at the end: these tests leave the shop broken on purpose."""


def audit(*only: str) -> str:
    """Run `manage.py audit`; return what it printed, with its exit code."""
    printed = StringIO()
    execute("orders", f"UPDATE orders_saga SET finished_at = finished_at - {HOUR} WHERE finished_at IS NOT NULL")
    try:
        call_command("audit", *(("--only", *only) if only else ()), stdout=printed, no_color=True)
    except CommandError as error:
        return f"{printed.getvalue()}\nexit {error.returncode}: {error}"
    return f"{printed.getvalue()}\nexit 0"


def named(promise: str, subject: object, *, context: str) -> bool:
    """Say whether the audit names that subject under that promise of that context, and exits with 1."""
    printed = audit(promise)
    section = False
    for line in printed.splitlines():
        if line.startswith(promise):
            section = line.split()[1] == context
        elif section and str(subject) in line:
            return "\nexit 1: " in printed
    raise AssertionError(printed)


@pytest.fixture
def confirmed(shopper: Shopper) -> uuid.UUID:
    return id_in(shopper.place())


@pytest.fixture
def canceled(shopper: Shopper) -> uuid.UUID:
    return id_in(shopper.place(payment_method="pm_card_chargeDeclinedStolenCard"))


def test_a_shop_that_keeps_its_promises_is_clean(confirmed: uuid.UUID, canceled: uuid.UUID, drain: Callable[[], None]):
    drain()

    printed = audit()

    assert "0 violations" in printed
    assert printed.endswith("exit 0")
    assert {f"I{number}" for number in range(1, 14)} <= {line.split()[0] for line in printed.splitlines() if line}


def test_i1_stock_that_is_not_in_its_ledger(confirmed: uuid.UUID):
    execute("inventory", "UPDATE inventory_stock SET available = available + 1, received = received + 1")

    assert named("I1", "SKU MUG", context="inventory")


def test_i2_stock_that_is_free_while_its_payment_can_still_come(shopper: Shopper):
    order_id = id_in(shopper.place(payment_method="pm_card_authenticationRequired"))
    execute("inventory", "UPDATE inventory_reservation SET status = 'RELEASED' WHERE order_id = %s", order_id)

    assert named("I2", order_id, context="orders")


def test_i3_money_without_committed_stock(confirmed: uuid.UUID):
    execute("inventory", "UPDATE inventory_reservation SET status = 'RELEASED' WHERE order_id = %s", confirmed)

    assert named("I3", confirmed, context="orders")


def test_i4_a_capture_that_is_not_the_total(confirmed: uuid.UUID):
    execute("orders", "UPDATE orders_order SET total_minor = total_minor - 1 WHERE id = %s", confirmed)

    assert named("I4", f"order {confirmed}: its payment is of 12.50 EUR for a total of 12.49 EUR", context="orders")


def test_i5_a_confirmed_order_without_its_money(confirmed: uuid.UUID):
    execute(
        "payments",
        "UPDATE payments_payment SET status = 'AUTHORIZED', captured_minor = 0 WHERE order_id = %s",
        confirmed,
    )

    assert named("I5", confirmed, context="orders")


def test_i6_a_canceled_order_that_kept_money(canceled: uuid.UUID):
    execute(
        "payments",
        "UPDATE payments_payment SET status = 'CAPTURED', captured_minor = amount_minor WHERE order_id = %s",
        canceled,
    )

    assert named("I6", canceled, context="orders")


def test_i7_two_orders_for_one_key(confirmed: uuid.UUID, shopper: Shopper):
    second = id_in(shopper.place())
    execute("orders", "ALTER TABLE orders_order DROP CONSTRAINT orders_one_order_per_key")
    try:
        execute(
            "orders",
            "UPDATE orders_order SET idempotency_key = (SELECT idempotency_key FROM orders_order WHERE id = %s)",
            second,
        )

        twice = f"order {second}: customer {shopper.user.pk} placed {confirmed} before it"
        assert named("I7", twice, context="orders")
    finally:
        execute("orders", "UPDATE orders_order SET idempotency_key = id::text")
        execute(
            "orders",
            "ALTER TABLE orders_order ADD CONSTRAINT orders_one_order_per_key UNIQUE (customer_id, idempotency_key)",
        )


@pytest.mark.parametrize("types", ["= 'order.confirming'", "LIKE 'order.%%'"])
def test_i8_a_move_without_its_fact(types: str, confirmed: uuid.UUID):
    execute("orders", f"DELETE FROM orders_outbox WHERE aggregate_id = %s AND type {types}", confirmed)

    assert named("I8", confirmed, context="orders")


def test_i9_a_status_changed_in_silence(confirmed: uuid.UUID):
    execute("orders", "UPDATE orders_order SET status = 'SHIPPED' WHERE id = %s", confirmed)

    assert named("I9", confirmed, context="orders")


def test_i9_a_move_that_the_table_does_not_hold(confirmed: uuid.UUID):
    execute("orders", "UPDATE orders_outbox SET type = 'order.delivered' WHERE type = 'order.confirming'")

    assert named("I9", confirmed, context="orders")


@pytest.mark.parametrize(
    "sabotage",
    [
        f"UPDATE orders_saga SET due_at = now() - {HOUR} WHERE order_id = %s",
        "UPDATE orders_saga SET due_at = NULL WHERE order_id = %s",
        "UPDATE orders_saga SET finished_at = now() WHERE order_id = %s",
        "DELETE FROM orders_saga WHERE order_id = %s",
    ],
)
def test_i10_an_order_that_nothing_moves(sabotage: str, mug: str):
    order_id = placed()
    execute("orders", f"UPDATE orders_order SET placed_at = now() - {HOUR} WHERE id = %s", order_id)
    execute("orders", sabotage, order_id)

    assert named("I10", order_id, context="orders")


def test_i11_money_at_the_provider_that_is_not_in_our_books(confirmed: uuid.UUID, sandbox: Provider):
    sandbox.stripe.v1.refunds.create({"payment_intent": sandbox.intent(confirmed).id, "amount": 100})

    assert named("I11", confirmed, context="payments")


def test_an_order_on_its_way_is_no_violation(mug: str, sandbox: Provider):
    sandbox.fail("lost_request", "/v1/payment_intents/*/capture")
    order_id = placed()
    resume(order_id=order_id)

    assert status_of(order_id) == "CONFIRMING"
    assert violations() == []


def one_cent_less(order_id: uuid.UUID) -> None:
    execute("orders", "UPDATE orders_order SET total_minor = total_minor - 1 WHERE id = %s", order_id)


def test_what_is_found_is_printed_a_line_each_as_json_and_counted_beyond_the_first(
    confirmed: uuid.UUID, monkeypatch: pytest.MonkeyPatch
):
    one_cent_less(confirmed)
    monkeypatch.setattr(command, "MOST", 0)
    printed = StringIO()

    assert "and 1 more; --json prints them all" in audit("I4")
    with pytest.raises(CommandError):
        call_command("audit", "--only", "I4", "--json", stdout=printed)

    (found,) = [line for line in map(json.loads, printed.getvalue().splitlines()) if "violation" in line]
    assert found == {
        "violation": "I4",
        "context": "orders",
        "subject": f"order {confirmed}",
        "detail": "its payment is of 12.50 EUR for a total of 12.49 EUR; 12.50 EUR were captured",
    }


def test_a_long_audit_says_how_far_it_is(confirmed: uuid.UUID, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(command, "SILENT_SECONDS", 0)
    monkeypatch.setattr(kernel, "PAGE", 1)
    monkeypatch.setattr(audit_of_payments, "PAGE", 1)
    told = StringIO()

    call_command("audit", stdout=StringIO(), stderr=told)

    lines = told.getvalue().splitlines()
    assert any(line.startswith("0 s: orders: ") and line.endswith(", 1 rows read") for line in lines), lines
    assert any(line.startswith("0 s: payments: ") and line.endswith(", 1 rows read") for line in lines), lines


def test_there_is_no_check_of_a_promise_that_nobody_made():
    with pytest.raises(CommandError, match="no check for I99; the promises are I1 to I13"):
        call_command("audit", "--only", "I99")


@pytest.mark.parametrize(
    ("since", "found"),
    [
        ("2020-01-01", True),
        ("2020-01-01T08:00Z", True),
        ("2020-01-01T08:00", True),
        ("2:00:00", True),
        ("7 00:00:00", True),
        ("2999-01-01", False),
        ("2999-01-01T08:00", False),
    ],
)
def test_only_what_was_placed_since_a_moment_is_judged(confirmed: uuid.UUID, since: str, found: bool):
    one_cent_less(confirmed)
    printed = StringIO()
    try:
        call_command("audit", "--only", "I4", f"--since={since}", stdout=printed)
    except CommandError:
        assert found
    assert (str(confirmed) in printed.getvalue()) is found


@pytest.mark.parametrize("since", ["yesterday", "-2:00:00", "2026-13-01", ""])
def test_a_moment_that_is_none_is_refused(since: str):
    with pytest.raises(CommandError, match="--since"):
        call_command("audit", f"--since={since}")


# --- explain_order ------------------------------------------------------------------------------------------------------


def explain(order_id: uuid.UUID) -> list[str]:
    printed = StringIO()
    call_command("explain_order", str(order_id), stdout=printed)
    return printed.getvalue().splitlines()


def told_in_order(lines: list[str], *fragments: str) -> bool:
    """Say whether the fragments are found in that order."""
    rest = iter(lines)
    return all(any(fragment in line for line in rest) for fragment in fragments)


def test_the_story_of_a_confirmed_order(confirmed: uuid.UUID, drain: Callable[[], None]):
    drain()

    lines = explain(confirmed)

    assert told_in_order(
        lines,
        "orders         the order was recorded",
        "inventory      the stock was reserved",
        "checkout: reserve_stock -> done",
        "checkout: authorize_payment -> done",
        "checkout: commit_stock -> done",
        "checkout: capture_payment -> done",
        "orders         it was confirmed",
        "orders         its parcel left",
        "orders         its parcel arrived",
        "nothing is left to do",
    ), "\n".join(lines)
    assert {line.split()[2] for line in lines[1:-1]} == {
        "orders",
        "inventory",
        "payments",
        "shipping",
        "notifications",
    }


def test_the_story_of_a_canceled_order(canceled: uuid.UUID, drain: Callable[[], None]):
    drain()

    lines = explain(canceled)

    assert told_in_order(
        lines,
        "checkout: authorize_payment -> card_declined",
        "it is being canceled  (reason card_declined)",
        "checkout, undoing: void_payment -> done",
        "checkout, undoing: release_stock -> done",
        "it was canceled: no stock held, no money kept",
        "nothing is left to do",
    ), "\n".join(lines)


def test_the_story_of_a_parked_order(mug: str, sandbox: Provider):
    order_id = placed()
    sandbox.fail("error_500", "/v1/payment_intents/*/capture", times=None)
    for _attempt in range(10):
        resume(order_id=order_id)

    lines = explain(order_id)

    assert told_in_order(
        lines,
        "checkout: capture_payment -> payment_unknown",
        "next, automatically:",
        "checkout is PARKED for staff after 10 failed attempts; it still tries commit_stock again",
    ), "\n".join(lines)


def test_the_story_of_an_order_that_waits_for_its_customer(shopper: Shopper):
    lines = explain(id_in(shopper.place(payment_method="pm_card_authenticationRequired")))

    assert told_in_order(
        lines, "authorize_payment -> waits for the customer", "next, automatically:", "waits for the customer"
    )


def explain_named(name: str) -> list[str]:
    printed = StringIO()
    call_command("explain_order", name, stdout=printed)
    return printed.getvalue().splitlines()


def test_the_story_is_found_by_the_number_that_customers_know(confirmed: uuid.UUID):
    # Chance draws a number without either once in four times.
    number = f"0{Order.objects.get(pk=confirmed).number[1:9]}1"
    Order.objects.filter(pk=confirmed).update(number=number)
    read_out = f"{number[:5]}-{number[5:]}".lower().replace("0", "o").replace("1", "l")

    assert explain_named(number) == explain_named(read_out) == explain(confirmed)
    with pytest.raises(CommandError, match="nothing is known of an order 0000000000"):
        explain_named("0000000000")


def test_the_story_names_the_traces_that_it_happened_in(confirmed: uuid.UUID, drain: Callable[[], None]):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    traced = f"00-{trace}-00f067aa0ba902b7-01"
    execute("orders", "UPDATE orders_outbox SET traceparent = %s WHERE aggregate_id = %s", traced, confirmed)

    assert [line for line in explain(confirmed) if f"trace {trace}" in line]


@pytest.mark.parametrize("context", ["shipping", "notifications"])
def test_the_story_tells_of_a_dead_letter_and_that_staff_must_settle_it(
    context: str, mug: str, settings: Any, drain: Callable[[], None]
):
    settings.EVENTS_MAX_ATTEMPTS = 1
    table = {"shipping": "shipping_shipment", "notifications": "notifications_email"}[context]
    order_id = placed()
    with table_away(context, table):
        resume(order_id=order_id)
        relay.drain_all()

    lines = explain(order_id)

    letter = inbox_of(context)._default_manager.get(status="DEAD")
    assert told_in_order(
        lines,
        "failed to apply order.confirmed  (attempts 1, error django.db.utils.ProgrammingError",
        "waits for staff:",
        f"manage.py dead_letters show {context} {letter.pk}",
    ), "\n".join(lines)
    assert "nothing is left to do" not in lines
    dead_letters.replay(context=context, entry_id=letter.pk, staff="staff@shop.example")
    assert [line for line in explain(order_id) if "tries order.confirmed again" in line]
    drain()
    assert not [line for line in explain(order_id) if "order.confirmed again" in line]


def test_the_story_tells_what_the_broker_refused_and_what_is_still_on_its_way(mug: str):
    order_id = placed()
    resume(order_id=order_id)
    execute("orders", "UPDATE orders_outbox SET quarantined_at = now() WHERE type = 'order.confirmed'")
    execute("orders", f"UPDATE orders_outbox SET occurred_at = occurred_at - {HOUR} WHERE type = 'order.placed'")

    lines = explain(order_id)

    assert told_in_order(
        lines, "waits for staff:", "the broker refused order.confirmed for good", "next, automatically:", "is published"
    ), "\n".join(lines)
    execute("orders", "UPDATE orders_outbox SET quarantined_at = NULL")
    relay.drain_all()


def test_the_story_tells_of_a_message_that_nobody_could_read(confirmed: uuid.UUID, drain: Callable[[], None]):
    drain()
    torn = f'[[], {{"deliveries": [{{"attributes": {{"data": {{"order_id": "{confirmed}'
    bury(context="shipping", subscriber="shipping: unreadable", attributes={"raw": torn}, error="it is no JSON")
    letter = inbox_of("shipping")._default_manager.get(status="DEAD")

    lines = explain(confirmed)

    assert told_in_order(lines, "waits for staff:", f"manage.py dead_letters show shipping {letter.pk}")


def test_there_is_no_story_of_an_order_that_is_not():
    with pytest.raises(CommandError, match="nothing is known"):
        explain(uuid.uuid4())


# --- resume_sagas -------------------------------------------------------------------------------------------------------


def test_resume_sagas_walks_what_is_due_and_one_order_parked_or_not(mug: str, sandbox: Provider):
    due, other = placed(), placed()
    execute(
        "orders",
        "UPDATE orders_saga SET due_at = now() + interval '1 hour', parked_at = now() WHERE order_id = %s",
        other,
    )
    printed = StringIO()

    call_command("resume_sagas", stdout=printed)
    call_command("resume_sagas", "--order", str(other), stdout=printed)
    call_command("resume_sagas", stdout=printed)

    assert printed.getvalue().splitlines() == ["1 orders walked", f"order {other} is CONFIRMED", "no saga is due"]
    assert (status_of(due), status_of(other)) == ("CONFIRMED", "CONFIRMED")
    with pytest.raises(CommandError, match="there is no order"):
        call_command("resume_sagas", "--order", str(uuid.uuid4()))


def test_who_resumes_an_order_walks_it_alone(mug: str, sandbox: Provider):
    order = placed()
    execute("orders", "UPDATE orders_saga SET parked_at = now(), due_at = NULL WHERE order_id = %s", order)

    assert services.resume_saga_now(order_id=order)

    assert resume_due() == 0, "the sweep leaves it to the one who asked"
    assert status_of(order) == "PENDING"


@pytest.mark.parametrize(
    ("columns", "next_step"),
    [
        ("attempts = 0", "checkout will be resumed at reserve_stock if its current worker does not finish"),
        ("attempts = 2", "checkout tries reserve_stock again after 2 failed attempts"),
        ("waiting_for = 'dispute'", "checkout waits until the customer's bank has decided the dispute"),
    ],
)
def test_the_story_says_what_a_saga_does_next(mug: str, columns: str, next_step: str):
    order_id = placed()
    execute("orders", f"UPDATE orders_saga SET {columns} WHERE order_id = %s", order_id)

    assert any(next_step in line for line in explain(order_id))
