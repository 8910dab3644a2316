"""Whoever recovers may die as well: a journey is killed, and what recovers it is killed too, at every pair of points.

`make prove-full` tries every pair; `make prove` one in twenty-four.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.chaos.crashes.enumeration import enumerate_pairs
from tests.chaos.crashes.journeys import Cancel, Confirm, Journey
from tests.proof import EXTENT, Record, sized
from tests.provider import Provider

PARTS = {Confirm: 24, Cancel: 12}
"""So many tests share the first deaths among them, and the workers of pytest-xdist share the tests."""
SHARES = [pytest.param(kind, part, id=f"{kind.name}-{part}") for kind in PARTS for part in range(PARTS[kind])]


@pytest.mark.timeout(5400)
@pytest.mark.parametrize(("kind", "part"), sized(slice=(), short=(SHARES[5], SHARES[-7]), full=SHARES))
def test_a_journey_and_its_recovery_killed_at_any_points_come_out_the_same(
    kind: type[Journey], part: int, provider: Provider, drain: Callable[[], None], proof: Record
):
    found = enumerate_pairs(
        kind(provider, drain), only=lambda point: point.startswith("after"), part=part, parts=PARTS[kind]
    )

    proof(
        f"process killed, then its recovery: {kind.name}",
        histories=len(found.died_at),
        of=len(found.points) if EXTENT == "full" else 0,
        violations=found.violations,
    )
    assert found.violations == []
    assert found.died_at == found.points
    assert found.points
