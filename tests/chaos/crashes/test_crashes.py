"""Every process may die at any moment: each journey is killed at each of its points, and ends as if nothing had been.

`make prove-full` kills every journey before and after everything durable. `make prove` kills after it alone: nothing
that survives lies between that and the moment before what follows. The suite takes a charge and a refund.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.chaos.crashes.enumeration import enumerate_crashes
from tests.chaos.crashes.journeys import JOURNEYS, Confirm, Journey, RefundInPart
from tests.proof import EXTENT, Record, sized
from tests.provider import Provider

EVERY_POINT = EXTENT == "full"


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "kind", sized(slice=(Confirm, RefundInPart), short=JOURNEYS, full=JOURNEYS), ids=lambda kind: kind.name
)
def test_a_journey_killed_at_any_point_comes_out_the_same(
    kind: type[Journey],
    provider: Provider,
    drain: Callable[[], None],
    settings: Any,
    proof: Record,
):
    settings.SANDBOX_CARRIER_TRANSIT_SECONDS = kind.transit_seconds

    found = enumerate_crashes(kind(provider, drain), only=lambda point: EVERY_POINT or point.startswith("after"))

    wanted = [point for point in found.points if EVERY_POINT or point.startswith("after")]
    proof(
        f"process killed: {kind.name}", histories=len(found.died_at), of=len(found.points), violations=found.violations
    )
    assert found.violations == []
    assert found.died_at == wanted
    assert len(found.points) >= kind.floor
