"""A customer gets more time to pay, once: the deadline moves, and stock and codes stay held until then."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import import_module
from typing import Any

import pytest
from django.db import connections

from inventory.models import Reservation
from orders import services
from orders.events import OrderCanceling
from orders.models import Order, Outbox
from orders.queries import get_order
from orders.rules import CancelReason
from orders.sagas.entry import cancel_order, extend_hold, resume, resume_due
from orders.services import order_links
from shop import transactions
from shop.rest import idempotency
from shop.states import change_status
from shop.story.timeline import lines_of, story_of
from tests.driver.factories import OrderBodyFactory, UserFactory
from tests.driver.orders import levels, make_due, pass_deadline, placed, reservation, saga_of, status_of
from tests.driver.provider import Provider, in_threads
from tests.driver.sessions import waiting_at_all
from tests.driver.shopper import Shopper, id_in
from tests.driver.tables import execute
from tests.driver.waiting import until
from tests.proof.security.test_guests import Guest

POOR, CHALLENGED = "pm_card_chargeDeclinedInsufficientFunds", "pm_card_authenticationRequired"
MORE = timedelta(seconds=900)


def unpaid(shopper: Shopper, **body: Any) -> uuid.UUID:
    ordered = OrderBodyFactory(**body)
    del ordered["payment_method"]
    return id_in(shopper.post("orders", ordered))


@pytest.fixture
def order_id(shopper: Shopper) -> uuid.UUID:
    """An order that waits for its first payment method."""
    return unpaid(shopper)


def deadline(order_id: uuid.UUID) -> datetime:
    found: datetime = Order.objects.values_list("pay_before", flat=True).get(pk=order_id)
    return found


def hold_ends(order_id: uuid.UUID) -> datetime:
    found = Reservation.objects.values_list("expires_at", flat=True).get(pk=order_id)
    assert found is not None
    return found


def code_of(answer: Any) -> str:
    return str(answer.status_code) if answer.status_code == 200 else f"{answer.status_code} {answer.json()['code']}"


def times_told(order_id: uuid.UUID) -> int:
    return Outbox.objects.filter(aggregate_id=order_id, type="order.hold_extended").count()


def let_pass(order_id: uuid.UUID, seconds: int) -> None:
    """Have so much of the time to pay be over: everything that waits is so much nearer."""
    execute("orders", f"UPDATE orders_order SET pay_before = pay_before - interval '{seconds} s'")
    execute("orders", f"UPDATE orders_saga SET due_at = due_at - interval '{seconds} s' WHERE due_at IS NOT NULL")
    execute("inventory", f"UPDATE inventory_reservation SET expires_at = expires_at - interval '{seconds} s'")


def test_the_deadline_the_hold_and_the_saga_move_together(order_id: uuid.UUID, shopper: Shopper):
    before, held = deadline(order_id), hold_ends(order_id)
    assert shopper.order(order_id)["hold_extensions_left"] == 1

    answer = shopper.extend(order_id)

    body = answer.json()
    assert (answer.status_code, body["status"], body["hold_extensions_left"]) == (200, "AWAITING_PAYMENT", 0)
    assert datetime.fromisoformat(body["pay_before"]) == deadline(order_id) == before + MORE
    assert hold_ends(order_id) == held + MORE
    assert saga_of(order_id).due_at == deadline(order_id) + timedelta(milliseconds=1)
    assert answer["ETag"] == shopper.get(f"orders/{order_id}")["ETag"]
    assert times_told(order_id) == 1
    assert "its customer was given more time to pay" in "\n".join(lines_of(story_of(order_id)))


def test_a_second_extension_is_refused_and_says_so(order_id: uuid.UUID, shopper: Shopper):
    shopper.extend(order_id)
    before, held = deadline(order_id), hold_ends(order_id)

    answer = shopper.extend(order_id)

    assert code_of(answer) == "409 hold_already_extended"
    assert datetime.fromisoformat(answer.json()["facts"]["pay_before"]) == before
    assert (deadline(order_id), hold_ends(order_id), times_told(order_id)) == (before, held, 1)


def test_the_same_request_again_is_answered_the_same(order_id: uuid.UUID, shopper: Shopper):
    first = shopper.extend(order_id, key="more-time")
    shopper.cancel(order_id)

    again = shopper.extend(order_id, key="more-time")

    assert (again.status_code, again.content) == (200, first.content)


def test_an_answer_that_was_not_kept_is_given_again(
    order_id: uuid.UUID, shopper: Shopper, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as lost:
        lost.setattr(idempotency, "_insert", lambda *_args: True)
        first = shopper.extend(order_id, key="more-time")

    again = shopper.extend(order_id, key="more-time")

    assert (code_of(first), again.json()) == ("200", first.json())
    assert times_told(order_id) == 1


def test_what_a_crash_left_halfway_is_finished_by_the_same_request(
    order_id: uuid.UUID, shopper: Shopper, monkeypatch: pytest.MonkeyPatch
):
    before, held = deadline(order_id), hold_ends(order_id)
    with monkeypatch.context() as dying:
        dying.setattr(services, "extend_hold", _die)
        with pytest.raises(KeyboardInterrupt):
            shopper.extend(order_id, key="more-time")
    assert (deadline(order_id), hold_ends(order_id)) == (before, held + MORE)

    assert code_of(shopper.extend(order_id, key="more-time")) == "200"

    assert (deadline(order_id), hold_ends(order_id)) == (before + MORE, held + MORE)


def _die(**_asked: Any) -> None:
    raise KeyboardInterrupt


def test_stock_that_was_extended_for_an_order_that_was_not_is_released_at_its_end(
    order_id: uuid.UUID, shopper: Shopper, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as dying:
        dying.setattr(services, "extend_hold", _die)
        with pytest.raises(KeyboardInterrupt):
            shopper.extend(order_id)
    pass_deadline(order_id)

    resume_due()

    assert (status_of(order_id), reservation(order_id), levels()) == ("CANCELED", "RELEASED", (10, 0, 0))


@pytest.mark.parametrize("card", [CHALLENGED, POOR])
def test_an_order_whose_card_waits_or_was_declined_gets_more_time(card: str, shopper: Shopper, sandbox: Provider):
    order_id = id_in(shopper.place(payment_method=card))
    before = deadline(order_id)

    answer = shopper.extend(order_id)

    assert (code_of(answer), deadline(order_id)) == ("200", before + MORE)
    assert (reservation(order_id), levels()) == ("PAYING", (9, 1, 0))
    assert shopper.pay(order_id, "pm_card_visa").json()["status"] == "CONFIRMED"


@pytest.mark.parametrize("status", ["PENDING", "CONFIRMING", "CONFIRMED", "CANCELING", "CANCELED", "REFUNDED"])
def test_only_an_order_that_waits_for_its_payment_gets_more_time(
    status: str, order_in: Callable[[str], uuid.UUID], shopper: Shopper
):
    order_id = order_in(status)
    before = deadline(order_id)
    assert shopper.order(order_id)["hold_extensions_left"] == 0

    answer = shopper.extend(order_id)

    assert (code_of(answer), answer.json()["facts"]["status"]) == ("409 hold_not_extendable", status)
    assert deadline(order_id) == before


def test_a_request_that_came_before_the_stock_was_reserved_is_repeated_with_its_key(shopper: Shopper):
    order_id = placed(payment_method=CHALLENGED, customer_id=shopper.user.pk)
    assert code_of(shopper.extend(order_id, key="more-time")) == "409 hold_not_extendable"
    resume(order_id=order_id)

    assert code_of(shopper.extend(order_id, key="more-time")) == "200"


def test_no_more_time_is_given_once_the_deadline_has_passed(order_id: uuid.UUID, shopper: Shopper):
    pass_deadline(order_id)

    assert code_of(shopper.extend(order_id)) == "409 hold_ended"

    resume_due()
    assert (status_of(order_id), levels()) == ("CANCELED", (10, 0, 0))


def test_the_databases_clock_says_whether_the_deadline_has_passed(
    order_id: uuid.UUID, shopper: Shopper, monkeypatch: pytest.MonkeyPatch
):
    pass_deadline(order_id)
    monkeypatch.setattr(import_module("orders.services.extend_hold"), "now", lambda: datetime(2001, 1, 1, tzinfo=UTC))

    assert code_of(shopper.extend(order_id)) == "409 hold_ended"
    assert times_told(order_id) == 0


def test_a_hold_that_has_expired_is_not_extended(order_id: uuid.UUID, shopper: Shopper):
    execute("inventory", "UPDATE inventory_reservation SET expires_at = now() WHERE order_id = %s", order_id)
    before = deadline(order_id)

    answer = shopper.extend(order_id)

    assert (code_of(answer), deadline(order_id)) == ("409 hold_ended", before)
    assert (reservation(order_id), levels()) == ("EXPIRED", (10, 0, 0))


def test_a_shop_may_give_no_more_time(order_id: uuid.UUID, shopper: Shopper, settings: Any):
    settings.HOLD_EXTENSION_SECONDS = 0

    assert shopper.order(order_id)["hold_extensions_left"] == 0
    assert code_of(shopper.extend(order_id)) == "409 hold_extensions_off"


def test_a_long_extension_rests_no_longer_than_a_saga_may(order_id: uuid.UUID, shopper: Shopper, settings: Any):
    settings.HOLD_EXTENSION_SECONDS = 86_400

    shopper.extend(order_id)

    due_at = saga_of(order_id).due_at
    assert due_at is not None
    assert due_at < deadline(order_id) - timedelta(hours=22)


def test_nothing_sells_the_stock_between_the_old_deadline_and_the_new_one(
    order_id: uuid.UUID, shopper: Shopper, drain: Callable[[], None]
):
    execute("inventory", "UPDATE inventory_stock SET available = available - 9, written_off = written_off + 9")
    shopper.extend(order_id)
    let_pass(order_id, 1200)

    make_due()
    drain()

    assert (status_of(order_id), reservation(order_id)) == ("AWAITING_PAYMENT", "HELD")
    assert Shopper(UserFactory()).place().json()["code"] == "insufficient_stock"
    assert shopper.pay(order_id, "pm_card_visa").json()["status"] == "CONFIRMED"
    execute("inventory", "UPDATE inventory_stock SET available = available + 9, written_off = written_off - 9")


def test_at_the_new_deadline_the_order_is_canceled_once(
    order_id: uuid.UUID, shopper: Shopper, drain: Callable[[], None]
):
    shopper.extend(order_id)
    let_pass(order_id, 1200)
    resume_due()
    drain()
    assert status_of(order_id) == "AWAITING_PAYMENT"

    let_pass(order_id, 601)
    drain()
    resume_due()

    assert (status_of(order_id), levels()) == ("CANCELED", (10, 0, 0))
    assert Order.objects.get(pk=order_id).cancel_reason == CancelReason.PAYMENT_ABANDONED
    assert Outbox.objects.filter(aggregate_id=order_id, type="order.canceling").count() == 1
    assert code_of(shopper.extend(order_id)) == "409 hold_not_extendable"


def test_an_extended_order_still_counts_for_its_customers_limits(order_id: uuid.UUID, shopper: Shopper, settings: Any):
    settings.MAX_OPEN_ORDERS_PER_CUSTOMER = 1
    shopper.extend(order_id)

    assert shopper.place().json()["code"] == "too_many_open_orders"


def test_a_guest_and_whoever_has_the_link_may_ask_for_more_time(mug: str):
    guest = Guest()
    first, second = unpaid(guest), unpaid(guest)
    holder = Shopper()
    holder.headers = {"X-Order-Token": order_links.token_of(order_id=second, epoch=1)}

    assert code_of(guest.extend(first)) == "200"
    assert code_of(holder.extend(second)) == "200"
    assert code_of(holder.extend(first)) == "404 order_not_found"


def test_nobody_extends_the_order_of_somebody_else(order_id: uuid.UUID, staff: Shopper):
    assert code_of(Shopper(UserFactory()).extend(order_id)) == "404 order_not_found"
    assert code_of(staff.extend(order_id)) == "403 permission_denied"


def test_a_body_and_an_outdated_version_are_refused(order_id: uuid.UUID, shopper: Shopper):
    assert shopper.post(f"orders/{order_id}/extend-hold", {"seconds": 9}).status_code == 400
    assert shopper.extend(order_id, **{"If-Match": '"another"'}).status_code == 412
    assert times_told(order_id) == 0


# --- several at once ---------------------------------------------------------------------------------------------------


def test_of_many_who_ask_at_once_one_extends(order_id: uuid.UUID, shopper: Shopper):
    before, held = deadline(order_id), hold_ends(order_id)

    answers = in_threads(*[partial(shopper.extend, order_id) for _each in range(6)])

    assert sorted(map(code_of, answers)) == ["200"] + ["409 hold_already_extended"] * 5
    assert (deadline(order_id), hold_ends(order_id), times_told(order_id)) == (before + MORE, held + MORE, 1)


def test_of_many_who_were_let_through_one_extends(order_id: uuid.UUID):
    """All have read the order before the first of them wrote."""
    before = deadline(order_id)

    answers = in_threads(
        *[partial(services.extend_hold, order_id=order_id, operation_id=uuid.uuid4()) for _each in range(6)]
    )

    refused = [answer for answer in answers if isinstance(answer, services.HoldAlreadyExtended)]
    assert (len(refused), deadline(order_id), times_told(order_id)) == (5, before + MORE, 1)


def test_one_request_sent_many_times_at_once_is_answered_the_same(order_id: uuid.UUID, shopper: Shopper):
    before = deadline(order_id)

    answers = in_threads(*[partial(shopper.extend, order_id, key="more-time") for _each in range(6)])

    assert {(answer.status_code, answer.content) for answer in answers} == {(200, answers[0].content)}
    assert (deadline(order_id), times_told(order_id)) == (before + MORE, 1)


def test_of_a_cancel_and_an_extension_at_once_the_cancel_stands(order_id: uuid.UUID, shopper: Shopper):
    extended, canceled = in_threads(partial(shopper.extend, order_id), partial(shopper.cancel, order_id))

    assert canceled.status_code == 200
    assert code_of(extended) in ("200", "409 hold_not_extendable")
    assert (status_of(order_id), levels()) == ("CANCELED", (10, 0, 0))


def test_a_walk_that_saw_the_old_deadline_pass_does_not_cancel_an_extended_order(order_id: uuid.UUID):
    """The extension begins in time, and commits once the walk has judged by the deadline before."""
    extended, passed = threading.Event(), threading.Event()
    execute("orders", "UPDATE orders_order SET pay_before = now() + interval '500 ms'")
    before = deadline(order_id)

    def extend_late() -> None:
        with transactions.transaction("orders"), connections[transactions.alias_for("orders")].cursor() as cursor:
            cursor.execute("UPDATE orders_order SET pay_before = pay_before + interval '900 s'")
            extended.set()
            until(lambda: _is_over(cursor, before), "the old deadline passes")
            passed.set()
            until(lambda: waiting_at_all(cursor) == 1, "the walk wants to cancel")

    def walk() -> str:
        passed.wait(60)
        return resume(order_id=order_id).status

    assert in_threads(extend_late, walk) == [None, "AWAITING_PAYMENT"]
    assert (status_of(order_id), deadline(order_id)) == ("AWAITING_PAYMENT", before + MORE)


def _is_over(cursor: Any, moment: datetime) -> bool:
    cursor.execute("SELECT clock_timestamp() > %s", [moment])
    return bool(cursor.fetchone()[0])


def test_an_extension_that_waits_for_the_walk_that_cancels_is_refused(order_id: uuid.UUID, shopper: Shopper):
    """The order turns around while the extension waits for its row."""
    turning = threading.Event()

    def cancel() -> None:
        with transactions.transaction("orders"), connections[transactions.alias_for("orders")].cursor() as cursor:
            reason = CancelReason.STAFF_REQUEST
            event = OrderCanceling(order_id=order_id, reason=reason)
            change_status(Order, order_id, expected={"AWAITING_PAYMENT"}, event=event, cancel_reason=reason)
            turning.set()
            until(lambda: waiting_at_all(cursor) == 1, "the extension waits")

    def extend() -> str:
        turning.wait(60)
        return code_of(shopper.extend(order_id))

    assert in_threads(cancel, extend) == [None, "409 hold_not_extendable"]
    cancel_order(order_id=order_id, reason=CancelReason.STAFF_REQUEST)
    assert (status_of(order_id), levels(), times_told(order_id)) == ("CANCELED", (10, 0, 0), 0)


def test_a_request_that_was_read_before_it_was_done_and_comes_after_the_order_s_end_is_answered_as_done(
    order_id: uuid.UUID,
):
    before, operation_id = get_order(order_id=order_id), uuid.uuid4()
    extend_hold(order=before, operation_id=operation_id)
    cancel_order(order_id=order_id, reason=CancelReason.CUSTOMER_REQUEST)

    again = extend_hold(order=before, operation_id=operation_id)

    assert (again.hold_extension, again.status, times_told(order_id)) == (operation_id, "CANCELED", 1)
    with pytest.raises(services.HoldNotExtendable):
        extend_hold(order=before, operation_id=uuid.uuid4())
