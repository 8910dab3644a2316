"""Whoever recovers may die as well: a journey is killed, and what recovers it is killed too, at every pair of points.

`make prove-full` tries every pair; `make prove` a few first deaths, and of their recoveries one point in four, drawn by
the seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from tests.driver.provider import Provider
from tests.proof.choosing import after_each, drawn_from
from tests.proof.crashes.enumeration import enumerate_pairs
from tests.proof.crashes.journeys.journey import Journey
from tests.proof.crashes.journeys.paying import Cancel
from tests.proof.crashes.journeys.placing import Confirm
from tests.proof.report import EXTENT, Record, sized

PARTS = {Confirm: 24, Cancel: 12}
"""So many tests share the first deaths among them, and the workers of pytest-xdist share the tests."""
SHARES = [pytest.param(kind, part, id=f"{kind.name}-{part}") for kind in PARTS for part in range(PARTS[kind])]
ONE_IN = sized(slice=1, short=4, full=1)


@pytest.mark.timeout(5400)
@pytest.mark.parametrize(("kind", "part"), sized(slice=(), short=(SHARES[5], SHARES[-7]), full=SHARES))
def test_a_journey_and_its_recovery_killed_at_any_points_come_out_the_same(
    kind: type[Journey], part: int, provider: Provider, drain: Callable[[], None], proof: Record
):
    def first(points: Sequence[str]) -> Sequence[int]:
        return after_each(points)[part :: PARTS[kind]]

    second = drawn_from(after_each, one_in=ONE_IN, of=kind.name)

    found = enumerate_pairs(kind(provider, drain), first=first, second=second)

    proof(
        f"process killed, then its recovery: {kind.name}",
        histories=len(found.died_at),
        of=len(found.points) if EXTENT == "full" else 0,
        violations=found.violations,
    )
    assert found.violations == []
    assert found.died_at == found.points
    assert found.points
