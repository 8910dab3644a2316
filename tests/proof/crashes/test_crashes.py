"""Every process may die at any moment: each journey is killed at each of its points, and ends as if nothing had been.

`make prove-full` kills every journey before and after everything durable. `make prove` kills after it alone (nothing
that survives lies between that and the moment before what follows): a charge and a partial refund after each point, the others
after one in four, drawn by the seed. The suite kills these two alone.

What the thread writes that writes for many has points of its own: there every run kills around each of them, and
`make prove-full` around all others as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.driver.provider import Provider
from tests.proof.choosing import after_each, containing, drawn_from, every_one
from tests.proof.crashes.enumeration import enumerate_crashes
from tests.proof.crashes.journeys.afterwards import RefundInPart
from tests.proof.crashes.journeys.catalog import JOURNEYS
from tests.proof.crashes.journeys.journey import Journey
from tests.proof.crashes.journeys.paying import Challenge
from tests.proof.crashes.journeys.placing import Confirm, Decline
from tests.proof.crashes.points import FOR_MANY
from tests.proof.report import Record, sized

IN_FULL = (Confirm, RefundInPart)
POINTS = sized(slice=after_each, short=after_each, full=every_one)
ONE_IN = sized(slice=1, short=4, full=1)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", sized(slice=IN_FULL, short=JOURNEYS, full=JOURNEYS), ids=lambda kind: kind.name)
def test_a_journey_killed_at_any_point_comes_out_the_same(
    kind: type[Journey],
    provider: Provider,
    drain: Callable[[], None],
    settings: Any,
    proof: Record,
):
    settings.SANDBOX_CARRIER_TRANSIT_SECONDS = kind.transit_seconds
    choose = drawn_from(POINTS, one_in=1 if kind in IN_FULL else ONE_IN, of=kind.name)

    found = enumerate_crashes(kind(provider, drain), choose=choose)

    proof(
        f"process killed: {kind.name}", histories=len(found.died_at), of=len(found.points), violations=found.violations
    )
    assert found.violations == []
    assert found.died_at == [found.points[number] for number in choose(found.points)]
    assert len(found.points) >= kind.floor


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("together")
@pytest.mark.parametrize(
    "kind",
    sized(slice=(Confirm,), short=(Confirm, Challenge, Decline), full=(Confirm, Challenge, Decline)),
    ids=lambda kind: kind.name,
)
def test_a_journey_killed_while_one_writes_for_many_comes_out_the_same(
    kind: type[Journey],
    provider: Provider,
    drain: Callable[[], None],
    settings: Any,
    proof: Record,
):
    settings.SANDBOX_CARRIER_TRANSIT_SECONDS = kind.transit_seconds
    choose = sized(slice=containing(FOR_MANY), short=containing(FOR_MANY), full=every_one)

    found = enumerate_crashes(kind(provider, drain), choose=choose)

    proof(
        f"process killed: {kind.name}, stock written for many",
        histories=len(found.died_at),
        of=len(found.points),
        violations=found.violations,
    )
    assert found.violations == []
    assert found.died_at == [found.points[number] for number in choose(found.points)]
    # Before and after each: the reservation, and where the order is paid the commit of its stock.
    assert len(containing(FOR_MANY)(found.points)) >= (2 if kind is Decline else 4)
