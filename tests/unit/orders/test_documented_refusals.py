"""What docs/openapi.yaml says of a code is what the pages under /problems/ say of it; each reason to cancel an order is told."""

from __future__ import annotations

import pytest

import config.urls  # noqa: F401  every error class that the API may answer is imported
from orders.rules import REASON_OF_REFUSAL
from payments import api as payments
from shop.rest.problem import known_problems
from tests.contract import codes_of, description

CALLS = {"place_order", "pay_order"}
# Of what refuses a step, all ends the order with 409 but this.
DECLINED = "card_declined"


def _described() -> list[tuple[str, str, str]]:
    """Return (call, status, code) for each problem that the description names."""
    return [
        (operation["operationId"], status, code)
        for path in description()["paths"].values()
        for operation in path.values()
        for status, answer in operation["responses"].items()
        if status >= "400"
        for code in codes_of(answer)
    ]


@pytest.mark.parametrize(("call", "status", "code"), _described())
def test_the_page_of_a_problem_names_the_status_that_the_call_gives(call: str, status: str, code: str):
    known = known_problems()
    assert code in known, f"{call} names {code}, which nothing answers"

    _title, usual, explanation = known[code]

    assert status == str(usual) or f"{status} where it canceled the order" in explanation


@pytest.mark.parametrize("call", sorted(CALLS))
def test_the_description_names_every_reason_for_which_a_step_cancels_an_order(call: str):
    named = {code for each, status, code in _described() if (each, status) == (call, "409")}

    assert REASON_OF_REFUSAL.keys() - {DECLINED} <= named
    refusals = (payments.PaymentMethodRefused, payments.PaymentRefusedByProvider, payments.UnchargeableAmount)
    assert {each.code for each in refusals} <= named
