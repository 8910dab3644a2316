"""Walks that schemathesis makes along the links of docs/openapi.yaml: what one answer leads to is called with its ids.

All checks of schemathesis hold for each answer, those on sequences too: what was made is there. Bodies get what chance
does not find, a product for sale and a token of a card that works, so that the walks come to paid orders and refunds.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.errors import FlakyStrategyDefinition

from inventory import api as inventory
from tests.driver.factories import OrderBodyFactory
from tests.proof.report import Record, sized
from tests.proof.security.people import People
from tests.proof.security.test_fuzzing import CONFIG, DESCRIPTION, from_an_address

WALKS = sized(slice=10, short=20, full=300)
STEPS = 15
ATTEMPTS = 3
OF_AN_ORDER = {"get_order", "pay_order", "cancel_order", "refund_order", "list_refunds"}


@pytest.mark.timeout(7200)
def test_no_walk_along_the_links_breaks_the_api_or_its_description(
    people: People, proof: Record, drain: Callable[[], None], settings: Any
):
    settings.MAX_OPEN_ORDERS_PER_CUSTOMER = 10_000
    settings.MAX_HELD_UNPAID_PIECES = 10_000
    inventory.receive_stock(sku="MUG", quantity=10_000, reference="walks")
    answered: Counter[tuple[str, str]] = Counter()

    schema = schemathesis.openapi.from_path(DESCRIPTION, config=CONFIG)
    schema.app = from_an_address

    @schema.auth()
    class Token:
        """Staff with permission, whom every operation is open to."""

        def get(self, case: Any, context: Any) -> str:
            return people.apis["staff with permission"].headers["Authorization"]

        def set(self, case: Any, data: str, context: Any) -> None:
            case.headers["Authorization"] = data
            case.headers.pop("X-Session-Token", None)

    class Walk(schema.as_state_machine()):  # type: ignore[misc]
        def before_call(self, case: Any) -> None:
            _make_good(case)

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"headers": {"Accept-Encoding": "identity"}}

        def after_call(self, response: Any, case: Any) -> None:
            answered[case.operation.definition.raw.get("operationId"), f"{response.status_code // 100}xx"] += 1

    for _attempt in range(ATTEMPTS):
        # Hypothesis begins a walk as it began one before, and the shop keeps what that one has left: where an answer is
        # another for it, the way on is another, and hypothesis ends. What the answers were wrong in is raised as it is.
        with contextlib.suppress(FlakyStrategyDefinition):
            Walk.run(settings=_bounded())
            break

    walked = {operation for operation, status in answered if status == "2xx"}
    proof("fuzzed request (schemathesis)", histories=sum(answered.values()), violations=[])
    # An id of an order comes along a link only; chance finds none.
    assert len(walked & OF_AN_ORDER) >= 3, answered
    drain()


def _make_good(case: Any) -> None:
    """Put what chance does not find into the body of a request that is well formed; one made wrong stays wrong."""
    if not case.meta.generation.mode.is_positive:
        return
    operation, body = case.operation.definition.raw.get("operationId"), case.body
    case.headers.pop("If-Match", None)
    if not isinstance(body, dict):
        return
    if operation == "place_order":
        pays = "payment_method" in body
        case.body = OrderBodyFactory()
        if not pays:
            del case.body["payment_method"]
    elif operation == "pay_order" and "payment_method" in body:
        body["payment_method"] = "pm_card_visa"
    elif operation == "refund_order" and isinstance(body.get("amount"), dict):
        body |= {"amount": {"amount_minor": 1, "currency": "EUR"}, "reason": "a scratch"}


def _bounded() -> settings:
    return settings(
        max_examples=WALKS,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        derandomize=True,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
