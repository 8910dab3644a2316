"""Whoever recovers may die as well: collected with PROVE=pairs only, since it takes the better part of an hour."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.chaos.enumeration import enumerate_pairs
from tests.chaos.journeys import Cancel, Confirm, Journey
from tests.provider import Provider


@pytest.mark.timeout(5400)
@pytest.mark.parametrize("kind", [Confirm, Cancel], ids=lambda kind: kind.name)
def test_a_journey_and_its_recovery_killed_at_any_points_come_out_the_same(
    kind: type[Journey],
    provider: Provider,
    drain: Callable[[], None],
    record_property: Callable[[str, object], None],
):
    began = time.monotonic()

    found = enumerate_pairs(kind(provider, drain), only=lambda point: point.startswith("after"))

    record_property("crashes", f"{found}, {time.monotonic() - began:.0f} s")
    assert found.violations == []
    assert len(found.points) >= 4 * kind.floor
