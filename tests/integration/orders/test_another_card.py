"""A declined card is not the end of an order: it keeps its stock until `pay_before`, and another card may follow."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail

from orders.models import Order
from payments import api as payments
from payments.models import Payment
from tests.driver.factories import OrderBodyFactory
from tests.driver.orders import levels, make_due, pass_deadline, payment, reservation, saga_of, status_of
from tests.driver.provider import Provider, held, in_threads
from tests.driver.shopper import Shopper, id_in
from tests.driver.tables import execute

POOR, STOLEN = "pm_card_chargeDeclinedInsufficientFunds", "pm_card_chargeDeclinedStolenCard"
GOOD, OTHER, CHALLENGED = "pm_card_visa", "pm_card_mastercard", "pm_card_authenticationRequired"
KEY = "the-first-request"


@pytest.fixture
def order_id(shopper: Shopper, sandbox: Provider) -> uuid.UUID:
    """An order whose first card was declined."""
    return id_in(shopper.place(key=KEY, payment_method=POOR))


def reason_of(order_id: uuid.UUID) -> str:
    return Order.objects.values_list("cancel_reason", flat=True).get(pk=order_id)


def test_a_decline_leaves_the_order_with_its_stock_and_says_what_to_do(shopper: Shopper, sandbox: Provider):
    answer = shopper.place(payment_method=POOR)

    order_id, body = id_in(answer), answer.json()
    assert (answer.status_code, body["code"]) == (402, "card_declined")
    assert body["facts"] == {
        "order_id": str(order_id),
        "order_status": "AWAITING_PAYMENT",
        "decline_code": "insufficient_funds",
        "attempts_left": 4,
        "next_action": "provide_payment_method",
    }
    assert answer["Location"].endswith(f"/api/v1/orders/{order_id}")
    order = shopper.order(order_id)
    assert (order["status"], order["next_action"]) == ("AWAITING_PAYMENT", "provide_payment_method")
    assert (order["payment"]["status"], order["payment"]["attempts_left"]) == ("DECLINED", 4)
    assert (reservation(order_id), levels(), sandbox.money(order_id)) == ("PAYING", (9, 1, 0), (0, 0))
    assert saga_of(order_id).waiting_for == "payment_method"
    assert mail.outbox == []


def test_another_card_pays_it_on_the_same_intent(
    order_id: uuid.UUID, shopper: Shopper, sandbox: Provider, drain: Callable[[], None]
):
    intent_id = sandbox.intent(order_id).id

    paid = shopper.pay(order_id, GOOD)

    assert (paid.status_code, paid.json()["status"], paid.json()["payment"]["attempts_left"]) == (201, "CONFIRMED", 0)
    assert (sandbox.intent(order_id).id, sandbox.money(order_id)) == (intent_id, (1, 1250))
    drain()
    assert shopper.order(order_id)["status"] == "DELIVERED"
    assert len(mail.outbox) == 2


def test_the_first_request_repeated_tells_how_the_order_stands_by_now(order_id: uuid.UUID, shopper: Shopper):
    again = shopper.place(key=KEY, payment_method=POOR)
    assert (again.status_code, again.json()["facts"]["attempts_left"]) == (402, 4)
    assert "Idempotent-Replayed" not in again
    shopper.pay(order_id, GOOD)

    paid = shopper.place(key=KEY, payment_method=POOR)

    assert (paid.status_code, paid.json()["id"], paid.json()["status"]) == (201, str(order_id), "CONFIRMED")


def test_each_request_repeated_is_told_of_its_own_card(order_id: uuid.UUID, shopper: Shopper, sandbox: Provider):
    other = shopper.pay(order_id, "pm_card_chargeDeclinedExpiredCard", key="the-second")
    asked = len(sandbox.events("payment_intent.payment_failed"))

    first, second, once_more = (
        shopper.place(key=KEY, payment_method=POOR),
        shopper.pay(order_id, "pm_card_chargeDeclinedExpiredCard", key="the-second"),
        shopper.pay(order_id, POOR),
    )

    codes = [answer.json()["facts"]["decline_code"] for answer in (other, first, second, once_more)]
    assert codes == ["expired_card", "insufficient_funds", "expired_card", "insufficient_funds"]
    assert {answer.json()["facts"]["attempts_left"] for answer in (other, first, second, once_more)} == {3}
    assert len(sandbox.events("payment_intent.payment_failed")) == asked == 2


def test_the_fifth_decline_ends_it(order_id: uuid.UUID, shopper: Shopper, sandbox: Provider, drain: Callable[[], None]):
    declined = ("", "ExpiredCard", "IncorrectCvc", "ProcessingError")
    answers = [shopper.pay(order_id, f"pm_card_chargeDeclined{why}") for why in declined]

    assert [answer.status_code for answer in answers] == [402] * 4
    assert [answer.json()["facts"]["attempts_left"] for answer in answers] == [3, 2, 1, 0]
    assert answers[-1].json()["facts"]["cancel_reason"] == "card_declined"
    assert (status_of(order_id), payment(order_id), levels()) == ("CANCELED", "VOIDED", (10, 0, 0))
    assert sandbox.intent(order_id).status == "canceled"
    drain()
    assert len(mail.outbox) == 1


def test_a_decline_that_suspects_fraud_ends_it_at_once(order_id: uuid.UUID, shopper: Shopper, sandbox: Provider):
    answer = shopper.pay(order_id, STOLEN)

    facts = answer.json()["facts"]
    assert (answer.status_code, facts["cancel_reason"], facts["attempts_left"]) == (402, "card_declined", 0)
    assert "next_action" not in facts
    assert (status_of(order_id), levels()) == ("CANCELED", (10, 0, 0))


def test_a_token_that_nobody_knows_costs_an_attempt_and_not_the_order(order_id: uuid.UUID, shopper: Shopper):
    answer = shopper.pay(order_id, "pm_nobody_knows_it")

    assert (answer.status_code, answer.json()["code"]) == (409, "payment_method_refused")
    facts = answer.json()["facts"]
    assert (facts["attempts_left"], facts["next_action"]) == (3, "provide_payment_method")
    assert shopper.pay(order_id, GOOD).json()["status"] == "CONFIRMED"


def test_no_other_card_by_the_deadline_unwinds_it(
    order_id: uuid.UUID, shopper: Shopper, sandbox: Provider, settle: Callable[[], None]
):
    settle()
    assert status_of(order_id) == "AWAITING_PAYMENT"

    pass_deadline(order_id)
    settle()

    assert (status_of(order_id), reason_of(order_id)) == ("CANCELED", "payment_abandoned")
    assert (sandbox.intent(order_id).status, levels(), len(mail.outbox)) == ("canceled", (10, 0, 0), 1)
    late = shopper.pay(order_id, GOOD)
    assert (late.status_code, late.json()["facts"]["cancel_reason"]) == (409, "payment_abandoned")
    assert sandbox.money(order_id) == (0, 0)


def confirm_in_the_browser(sandbox: Provider, order_id: uuid.UUID) -> None:
    """Confirm the declined intent again, with its client_secret, behind the shop's back."""
    wanted: Any = {"payment_method": "pm_card_jcb", "use_stripe_sdk": True}
    sandbox.stripe.v1.payment_intents.confirm(sandbox.intent(order_id).id, wanted)


def test_a_late_success_before_another_card_is_the_success(order_id: uuid.UUID, shopper: Shopper, sandbox: Provider):
    confirm_in_the_browser(sandbox, order_id)

    paid = shopper.pay(order_id, GOOD)

    assert (paid.status_code, paid.json()["status"]) == (201, "CONFIRMED")
    line = sandbox.ledger(order_id)[0]
    assert (line["authorizations"], sandbox.money(order_id)) == (1, (1, 1250))


def test_a_late_success_goes_on_with_its_webhook(
    order_id: uuid.UUID,
    shopper: Shopper,
    sandbox: Provider,
    post_webhook: Callable[..., Any],
    drain: Callable[[], None],
):
    confirm_in_the_browser(sandbox, order_id)
    for event in sandbox.events("payment_intent.amount_capturable_updated"):
        assert post_webhook(event).status_code == 200
    drain()

    assert (status_of(order_id), sandbox.money(order_id)) == ("DELIVERED", (1, 1250))


def test_a_late_success_that_nobody_heard_of_is_found_at_the_deadline(
    order_id: uuid.UUID, sandbox: Provider, settle: Callable[[], None]
):
    confirm_in_the_browser(sandbox, order_id)
    pass_deadline(order_id)
    settle()

    assert (status_of(order_id), sandbox.money(order_id)) == ("DELIVERED", (1, 1250))


def test_the_card_is_changed_while_the_bank_waits(shopper: Shopper, sandbox: Provider):
    placed = shopper.place(payment_method=CHALLENGED)
    order_id = id_in(placed)
    assert (placed.json()["next_action"], placed.json()["payment"]["attempts_left"]) == ("authenticate", 4)

    paid = shopper.pay(order_id, GOOD)

    assert (paid.status_code, paid.json()["status"]) == (201, "CONFIRMED")
    assert (sandbox.ledger(order_id)[0]["authorizations"], sandbox.money(order_id)) == (1, (1, 1250))


def test_another_card_may_want_its_customer_too(order_id: uuid.UUID, shopper: Shopper, sandbox: Provider):
    answer = shopper.pay(order_id, CHALLENGED)
    assert (answer.status_code, answer.json()["next_action"]) == (201, "authenticate")
    assert answer.json()["payment"]["client_secret"] == sandbox.intent(order_id).client_secret

    sandbox.answer_challenge(order_id, "approve")

    assert shopper.pay(order_id).json()["status"] == "CONFIRMED"


def test_the_last_card_may_still_be_approved_at_its_bank(
    order_id: uuid.UUID, shopper: Shopper, sandbox: Provider, settings: Any
):
    settings.PAYMENT_ATTEMPTS = 2
    answer = shopper.pay(order_id, CHALLENGED)
    assert (answer.json()["next_action"], answer.json()["payment"]["attempts_left"]) == ("authenticate", 0)
    assert shopper.pay(order_id, GOOD).status_code == 409

    sandbox.answer_challenge(order_id, "approve")

    assert shopper.pay(order_id).json()["status"] == "CONFIRMED"


def test_an_order_that_came_without_a_card_waits_for_another_one_as_well(shopper: Shopper, sandbox: Provider):
    body = OrderBodyFactory()
    del body["payment_method"]
    order_id = id_in(shopper.post("orders", body))

    assert shopper.pay(order_id, POOR).status_code == 402

    assert (status_of(order_id), reservation(order_id)) == ("AWAITING_PAYMENT", "PAYING")
    assert shopper.pay(order_id, GOOD).json()["status"] == "CONFIRMED"


def test_of_two_other_cards_at_once_one_is_tried(order_id: uuid.UUID, shopper: Shopper, sandbox: Provider):
    with held("confirm_intent") as paying:
        answers: list[Any] = []

        def second() -> Any:
            paying.wait()
            answer = shopper.pay(order_id, OTHER, key="the-third-card")
            paying.goes_on.set()
            return answer

        answers = in_threads(lambda: shopper.pay(order_id, GOOD), second)

    assert [(answer.status_code, answer.json().get("code")) for answer in answers] == [
        (201, None),
        (409, "order_not_payable"),
    ]
    assert sandbox.ledger(order_id)[0]["authorizations"] == 1
    again = shopper.pay(order_id, OTHER, key="the-third-card")
    assert (again.status_code, again.json()["status"]) == (201, "CONFIRMED")


def test_what_may_not_be_held_unpaid_is_not_held_for_another_card(shopper: Shopper, sandbox: Provider, settings: Any):
    settings.MAX_HELD_UNPAID_PIECES, settings.MAX_HELD_UNPAID_SHARE = 2, 0.0

    answer = shopper.place(quantity=3, payment_method=POOR)

    facts = answer.json()["facts"]
    assert (answer.status_code, answer.json()["code"], facts["attempts_left"]) == (402, "card_declined", 0)
    assert (status_of(id_in(answer)), levels()) == ("CANCELED", (10, 0, 0))
    held_on = shopper.place(quantity=2, payment_method=POOR)
    assert held_on.json()["facts"]["order_status"] == "AWAITING_PAYMENT"


def test_with_one_attempt_the_first_decline_ends_the_order(shopper: Shopper, sandbox: Provider, settings: Any):
    settings.PAYMENT_ATTEMPTS = 1

    answer = shopper.place(payment_method=POOR)

    assert answer.json()["facts"]["cancel_reason"] == "card_declined"
    assert status_of(id_in(answer)) == "CANCELED"


def test_a_walk_that_was_left_behind_does_not_put_the_other_card_to_sleep(
    order_id: uuid.UUID, shopper: Shopper, sandbox: Provider, monkeypatch: pytest.MonkeyPatch, drain: Callable[[], None]
):
    """It saw the first card declined; before it said so, the customer brought another one, and that request died."""
    authorize = payments.authorize_payment

    def slow(**asked: Any) -> Any:
        try:
            return authorize(**asked)
        finally:
            execute("orders", f"UPDATE orders_order SET payment_method = '{GOOD}' WHERE id = '{order_id}'")

    with monkeypatch.context() as patched:
        patched.setattr(payments, "authorize_payment", slow)
        shopper.pay(order_id)

    assert Payment.objects.get().payment_method == POOR
    drain()
    assert (status_of(order_id), sandbox.money(order_id)) == ("DELIVERED", (1, 1250))


def test_a_request_with_another_card_that_dies_is_finished_by_the_sweep(
    order_id: uuid.UUID, shopper: Shopper, sandbox: Provider, drain: Callable[[], None]
):
    sandbox.fail("lost_request", "*/confirm")
    assert shopper.pay(order_id, GOOD).status_code == 202

    make_due()
    drain()

    assert (status_of(order_id), sandbox.money(order_id)) == ("DELIVERED", (1, 1250))
