"""What is owed once an appeal brings back money that a dispute had taken."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from django.core import mail

from orders.sagas.entry import resume
from payments import services
from tests.driver.orders import payment, placed, sent_back, status_of
from tests.driver.provider import Provider
from tests.driver.shop import violations
from tests.driver.shopper import Shopper
from tests.integration.orders.disputes.bank import Bank, owed, promises_broken_without_the_list
from tests.integration.orders.refunding import refund
from tests.integration.orders.test_returned_refunds import RETURNED, explained


def lose_and_win(bank: Bank, order_id: uuid.UUID) -> None:
    """Have the bank decide for its customer, then, on appeal, for us."""
    dispute_id = bank.dispute(order_id)
    bank.decide(dispute_id, "lose")
    assert owed(order_id) == (0, 0)
    assert "owed to the customer" not in explained(order_id)
    bank.decide(dispute_id, "appeal")
    assert owed(order_id) == (0, 0)
    bank.decide(dispute_id, "win")


def return_refund(sandbox: Provider, order_id: uuid.UUID, drain: Callable[[], None]) -> None:
    sent_back(sandbox, order_id)
    drain()


@pytest.mark.usefixtures("mug")
def test_what_a_running_order_is_owed_is_owed_again_once_an_appeal_is_won(
    staff: Shopper, sandbox: Provider, bank: Bank, drain: Callable[[], None]
) -> None:
    order_id = placed(payment_method=RETURNED)
    resume(order_id=order_id)
    refund(staff, order_id, 400)
    return_refund(sandbox, order_id, drain)
    assert owed(order_id) == (400, 1)

    lose_and_win(bank, order_id)

    assert (owed(order_id), status_of(order_id)) == ((400, 1), "CONFIRMED")
    assert "4.00 EUR of a refund that did not arrive is owed" in explained(order_id)
    assert violations() == []
    assert refund(staff, order_id, 400).status_code == 201
    assert owed(order_id) == (0, 0)


@pytest.mark.usefixtures("mug")
@pytest.mark.parametrize("returned_first", [True, False])
def test_what_an_ended_order_is_owed_is_owed_again_once_an_appeal_is_won(
    staff: Shopper, sandbox: Provider, bank: Bank, drain: Callable[[], None], returned_first: bool
) -> None:
    order_id = placed(payment_method=RETURNED)
    resume(order_id=order_id)
    assert staff.cancel(order_id).json()["status"] == "REFUNDED"
    drain()
    if returned_first:
        return_refund(sandbox, order_id, drain)
        lose_and_win(bank, order_id)
    else:
        dispute_id = bank.dispute(order_id)
        bank.decide(dispute_id, "lose")
        return_refund(sandbox, order_id, drain)
        assert owed(order_id) == (0, 0)
        bank.decide(dispute_id, "appeal")
        bank.decide(dispute_id, "win")

    assert owed(order_id) == (1250, 1)
    assert violations() == []
    assert refund(staff, order_id, 1250).status_code == 201
    assert (owed(order_id), violations()) == ((0, 0), [])


def lost_and_canceled(shopper: Shopper, staff: Shopper, bank: Bank, amount: int | None) -> tuple[uuid.UUID, str]:
    """Return an order that staff canceled after its dispute was lost, and the dispute."""
    order_id = placed(customer_id=shopper.user.pk)
    resume(order_id=order_id)
    dispute_id = bank.dispute(order_id, **({} if amount is None else {"amount": amount}))
    bank.decide(dispute_id, "lose")
    assert staff.cancel(order_id).json()["status"] == "REFUNDED"
    bank.drain()
    assert (owed(order_id), violations()) == ((0, 0), [])
    return order_id, dispute_id


@pytest.mark.parametrize("amount", [None, 1000])
def test_money_of_a_canceled_order_that_an_appeal_brings_back_is_owed(
    shopper: Shopper, staff: Shopper, bank: Bank, amount: int | None
) -> None:
    order_id, dispute_id = lost_and_canceled(shopper, staff, bank, amount)
    back = amount or 1250
    bank.decide(dispute_id, "appeal")
    bank.decide(dispute_id, "win")

    assert owed(order_id) == (back, 1)
    assert "that an appeal brought back after the order's end is owed" in explained(order_id)
    assert violations() == []
    assert promises_broken_without_the_list(order_id) >= {"I6"}
    assert refund(staff, order_id, back + 1).json()["code"] == "refund_exceeds_capture"
    mail.outbox.clear()
    assert refund(staff, order_id, back).status_code == 201
    bank.drain()
    assert (owed(order_id), violations(), payment(order_id)) == ((0, 0), [], "REFUNDED")
    assert len(mail.outbox) == 1


def test_money_that_an_appeal_brings_back_can_be_paid_by_another_way(
    shopper: Shopper, staff: Shopper, bank: Bank
) -> None:
    order_id, dispute_id = lost_and_canceled(shopper, staff, bank, None)
    bank.decide(dispute_id, "appeal")
    bank.decide(dispute_id, "win")

    services.settle_owed(order_id=order_id)

    assert (owed(order_id), violations()) == ((0, 0), [])
