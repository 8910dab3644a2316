"""A card whose bank asks its customer holds no more than no card, and is judged once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from inventory import api as inventory
from orders.models import Order, Outbox
from orders.sagas.entry import resume, resume_due
from shop import coalescing
from shop.money import Money
from tests.driver.factories import UserFactory
from tests.driver.orders import levels, pass_deadline, payment, reservation, saga_of, status_of
from tests.driver.provider import Provider, in_threads
from tests.driver.sessions import waiting_for
from tests.driver.shopper import Shopper, id_in
from tests.driver.tables import execute
from tests.driver.waiting import until
from tests.integration.orders.held_unpaid.holding import ASKS, MOST, STOCK, address_of_orders, code_of, hold, named


def test_a_card_that_waits_for_its_customer_holds_no_more_than_no_card(vase: str, shopper: Shopper, sandbox: Provider):
    answer = hold(shopper, 150, card=ASKS)

    order_id = id_in(answer)
    body = answer.json()
    assert (answer.status_code, body["code"]) == (409, "too_much_held_unpaid")
    assert body["facts"] == {
        "sku": "VASE",
        "wanted": 150,
        "rule": "customer",
        "held": 0,
        "allowed": MOST,
        "open_orders": [],
        "order_id": str(order_id),
        "order_status": "CANCELED",
        "cancel_reason": "too_much_held_unpaid",
    }
    assert "approved" in body["detail"]
    assert "a card that needs no approval" in body["detail"]
    assert (reservation(order_id), payment(order_id), levels("VASE")) == ("RELEASED", "VOIDED", (STOCK, 0, 0))
    assert sandbox.intent(order_id).status == "canceled"
    told = Outbox.objects.filter(aggregate_id=order_id).order_by("id").values_list("type", flat=True)
    assert list(told) == ["order.placed", "order.canceling", "order.canceled"]


def test_a_card_that_waits_within_the_limit_is_approved_and_confirmed(vase: str, shopper: Shopper, sandbox: Provider):
    answer = hold(shopper, MOST, card=ASKS)
    assert (answer.status_code, answer.json()["next_action"]) == (201, "authenticate")

    sandbox.answer_challenge(id_in(answer), "approve")

    assert shopper.pay(id_in(answer)).json()["status"] == "CONFIRMED"


@pytest.mark.parametrize("cards", [("", ASKS), (ASKS, ""), (ASKS, ASKS)])
def test_what_is_held_with_and_without_a_card_adds_up(cards: tuple[str, str], vase: str, shopper: Shopper):
    first, second = cards
    holds = hold(shopper, 20, card=first)

    answer = hold(shopper, 20, card=second)

    assert code_of(answer) == "too_much_held_unpaid"
    facts = answer.json()["facts"]
    assert (facts["held"], facts["allowed"], facts["open_orders"]) == (20, MOST, named(id_in(holds)))
    assert facts["open_orders"][0]["number"] in answer.json()["detail"]
    assert levels("VASE") == (STOCK - 20, 20, 0)


def test_a_card_that_does_not_wait_is_taken_whatever_waits(vase: str, shopper: Shopper):
    hold(shopper, MOST, card=ASKS)

    assert shopper.place(sku="VASE", quantity=125).json()["status"] == "CONFIRMED"


@pytest.mark.parametrize("end", ["cancel", "cancel by staff", "deadline"])
def test_a_card_that_waited_makes_room_at_its_end(end: str, vase: str, shopper: Shopper, staff: Shopper):
    first = id_in(hold(shopper, MOST, card=ASKS))
    if end == "deadline":
        pass_deadline(first)
        resume(order_id=first)
    else:
        (staff if "staff" in end else shopper).cancel(first)
    assert status_of(first) == "CANCELED"

    assert code_of(hold(shopper, MOST, card=ASKS)) == "201"


def test_an_order_that_waits_is_judged_once(vase: str, shopper: Shopper):
    """What others buy meanwhile makes the share smaller, and turns nobody around who waits."""
    waits = id_in(hold(shopper, MOST, card=ASKS))
    shopper.place(sku="VASE", quantity=100)

    resume(order_id=waits)

    assert (status_of(waits), saga_of(waits).waiting_for) == ("AWAITING_PAYMENT", "customer")


def test_an_order_that_was_let_in_without_a_card_may_be_paid_with_one_that_waits(vase: str, shopper: Shopper):
    first = id_in(hold(shopper, MOST))
    hold(Shopper(UserFactory()), 20)

    answer = shopper.pay(first, ASKS)

    assert (answer.status_code, answer.json()["next_action"]) == (201, "authenticate")


def test_an_order_that_is_only_recorded_is_judged_by_the_worker(vase: str, shopper: Shopper):
    waits, too_much = [id_in(hold(shopper, 20, card=ASKS, Prefer="respond-async")) for _each in range(2)]
    assert levels("VASE") == (STOCK, 0, 0)

    resume_due()

    assert [status_of(waits), status_of(too_much)] == ["AWAITING_PAYMENT", "CANCELED"]
    assert levels("VASE") == (STOCK - 20, 20, 0)
    assert Order.objects.get(pk=too_much).refusal["open_orders"] == named(waits)


def test_the_same_key_gets_the_same_refusal_of_the_same_order(vase: str, shopper: Shopper):
    key = "0123456789abcdef-too-much"
    first = hold(shopper, 150, card=ASKS, key=key)

    again = hold(shopper, 150, card=ASKS, key=key)

    assert (again.status_code, again.json()["code"], id_in(again)) == (409, "too_much_held_unpaid", id_in(first))
    assert Order.objects.count() == 1


def test_a_card_of_which_the_answer_was_lost_is_judged_once_that_is_there(
    vase: str, shopper: Shopper, sandbox: Provider, settle: Callable[[], None]
):
    sandbox.fail("lost_answer", "/v1/payment_intents/*/confirm")
    sandbox.fail("lost_answer", "/v1/payment_intents/*", method="GET")
    order_id = id_in(hold(shopper, 150, card=ASKS))
    assert status_of(order_id) == "AWAITING_PAYMENT"
    # Whether it has to wait is not known, and what it holds counts.
    assert code_of(hold(Shopper(UserFactory()), 10)) == "too_much_held_unpaid"

    settle()

    assert Order.objects.values_list("status", "cancel_reason").get(pk=order_id) == ("CANCELED", "too_much_held_unpaid")
    assert levels("VASE") == (STOCK, 0, 0)


def test_two_workers_of_one_order_judge_it_once(vase: str, shopper: Shopper):
    shopper.place()  # the threads share the client of the provider that this makes
    order_id = id_in(hold(shopper, MOST, card=ASKS, Prefer="respond-async"))

    in_threads(*[lambda: resume(order_id=order_id) for _each in range(4)])

    assert status_of(order_id) == "AWAITING_PAYMENT"
    assert Outbox.objects.filter(aggregate_id=order_id, type="order.awaiting_payment").count() == 1


def test_an_order_of_the_release_before_waits_as_it_did(vase: str, shopper: Shopper):
    order_id = id_in(hold(shopper, 150, card=ASKS, Prefer="respond-async"))
    execute("orders", "UPDATE orders_order SET unjudged = false WHERE id = %s", order_id)

    resume_due()

    assert (status_of(order_id), saga_of(order_id).waiting_for) == ("AWAITING_PAYMENT", "customer")


def test_nobody_is_kept_from_what_is_not_for_sale_any_more(
    vase: str, shopper: Shopper, sandbox: Provider, settle: Callable[[], None]
):
    sandbox.fail("lost_answer", "/v1/payment_intents/*/confirm")
    sandbox.fail("lost_answer", "/v1/payment_intents/*", method="GET")
    order_id = id_in(hold(shopper, 150, card=ASKS))
    inventory.change_product(sku="VASE", name="The vase", price=Money(1250, "EUR"), active=False)

    settle()

    assert (status_of(order_id), saga_of(order_id).waiting_for) == ("AWAITING_PAYMENT", "customer")


@pytest.fixture(params=["alone", "together"])
def both_ways(request: pytest.FixtureRequest, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run the test with each order's stock reserved in a transaction of its own, and with all in the batches of many."""
    settings.COALESCE = request.param == "together"
    monkeypatch.setattr(coalescing.Batch, "alone_if_nobody_else_asks", False)
    yield
    coalescing.stop()


@pytest.mark.usefixtures("both_ways")
def test_cards_of_one_customer_that_wait_at_the_same_moment_do_not_pass_the_limit(vase: str, shopper: Shopper):
    shopper.place()  # the threads share the client of the provider that this makes

    answers = in_threads(*[lambda: hold(shopper, 20, card=ASKS) for _each in range(6)])

    assert sorted(map(code_of, answers)) == ["201"] + ["too_much_held_unpaid"] * 5
    assert levels("VASE") == (STOCK - 20, 20, 0)


def test_the_last_of_the_room_is_taken_once_by_cards_that_waited_for_it(vase: str, shopper: Shopper):
    """Their customers' locks are different; the lock of the address is one."""
    accounts = [Shopper(UserFactory()) for _each in range(2)]
    hold(shopper, MOST, card=ASKS)
    hold(Shopper(UserFactory()), 20, card=ASKS)
    locked = threading.Event()

    def hold_until_both_wait() -> None:
        with address_of_orders() as cursor:
            locked.set()
            until(lambda: waiting_for(cursor) == 2, "two orders wait for the lock of their address")

    def order(account: Shopper) -> str:
        locked.wait(30)
        return code_of(hold(account, 10, card=ASKS))

    _held, *codes = in_threads(hold_until_both_wait, *[partial(order, account) for account in accounts])

    assert sorted(codes) == ["201", "too_much_held_unpaid"]
