"""The code's transition tables are the model's, but for the differences that are named here, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from inventory.models import BORN, RESERVATION_TRANSITIONS
from orders.models import ORDER_TRANSITIONS
from payments.models import Payment
from shop.states import Transitions
from tests.proof.model.promela import BlindWrite, Moves, declared, moves_of

MODEL = (Path(__file__).parents[3] / "docs" / "model" / "checkout.pml").read_text()
Pairs = set[tuple[str, str]]

# The model ends where an order is CONFIRMED or CANCELED; what shipping and refunds do after that is not in it.
AFTER_CONFIRMED = {
    ("CONFIRMED", "SHIPPED"),
    ("SHIPPED", "DELIVERED"),
    ("CONFIRMED", "REFUNDING"),
    ("REFUNDING", "REFUNDED"),
    ("REFUNDING", "SHIPPED"),
}
RESTOCKED_BY_A_REFUND = {("COMMITTED", "RETURNED")}
# What the code tells apart and the model does not: nothing was sent yet, and the three ways to wait for an outcome.
PAYMENT_IN_THE_MODEL = {
    "NEW": "NO_PAYMENT",
    "REQUIRES_ACTION": "SUBMITTED",
    "UNKNOWN": "SUBMITTED",
    "PARTIALLY_REFUNDED": "REFUNDED",
}
# The provider refuses the amount or the token before there is anything to confirm.
REFUSED_AT_CREATION = {("NO_PAYMENT", "DECLINED")}
# Money that a void finds taken is recorded as such and then given back: two moves, which the model makes in one.
FOUND_TAKEN = {("DECLINED", "CAPTURED"), ("CAPTURED", "REFUNDED")}
FOUND_TAKEN_IN_ONE_MOVE = {("SUBMITTED", "REFUNDED"), ("AUTHORIZED", "REFUNDED")}


def pairs(moves: Moves | Transitions, *, names: Mapping[str, str] | None = None) -> Pairs:
    """Return each move as (from, to), under the names of the model; what the model takes for one status is no move."""
    named = (names or {}).get
    found = {(named(source, source), named(target, target)) for source in moves for target in moves[source]}
    return {(source, target) for source, target in found if source != target}


def modeled(variable: str, comment: str) -> Pairs:
    return pairs(moves_of(MODEL, variable, declared(MODEL, comment)))


def test_orders_move_as_the_model_does():
    code, model = pairs(ORDER_TRANSITIONS), modeled("order", "orders")

    assert code - model == AFTER_CONFIRMED
    assert model - code == set()
    assert len(model) == 8


def test_reservations_move_as_the_model_does():
    model = modeled("hold", "inventory")
    born = {("NO_HOLD", str(status)) for status in BORN}
    code = pairs(RESERVATION_TRANSITIONS) | born

    assert code - model == RESTOCKED_BY_A_REFUND
    assert model - code == set()
    assert len(model) == 10


def test_payments_move_as_the_model_does():
    code, model = pairs(Payment.TRANSITIONS, names=PAYMENT_IN_THE_MODEL), modeled("payment", "payments")

    assert code - model == REFUSED_AT_CREATION | FOUND_TAKEN
    assert model - code == FOUND_TAKEN_IN_ONE_MOVE
    assert len(model) == 13


@pytest.mark.parametrize(
    ("changed", "into", "variable", "comment"),
    [
        ("order == CANCELING -> order = CANCELED", "order == CONFIRMING -> order = CANCELED", "order", "orders"),
        ("hold == PAYING -> hold = COMMITTED", "hold == HELD -> hold = COMMITTED", "hold", "inventory"),
        ("atomic { hold == HELD -> hold = EXPIRED", "atomic { hold == PAYING -> hold = EXPIRED", "hold", "inventory"),
        (
            "payment == SUBMITTED && i == PI_DECLINED && tried == t",
            "payment == AUTHORIZED && i == PI_DECLINED && tried == t",
            "payment",
            "payments",
        ),
    ],
)
def test_a_move_that_is_changed_in_the_model_is_seen(changed: str, into: str, variable: str, comment: str):
    assert MODEL.count(changed) == 1
    statuses = declared(MODEL, comment)

    assert moves_of(MODEL.replace(changed, into), variable, statuses) != moves_of(MODEL, variable, statuses)


def test_a_write_that_asks_for_no_status_is_refused():
    blind = MODEL.replace("if :: order == CANCELING -> order = CANCELED", "if :: true -> order = CANCELED")
    assert blind != MODEL

    with pytest.raises(BlindWrite):
        moves_of(blind, "order", declared(blind, "orders"))


def test_the_model_s_own_mutants_are_not_read_as_moves():
    assert "M5_BLIND_WRITE" in MODEL
    assert ("PAYING", "EXPIRED") not in modeled("hold", "inventory")
