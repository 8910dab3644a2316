"""Every process may die at any moment: each journey is killed at each of its points, and ends as if nothing had been.

`make prove` kills every journey before and after everything durable. The suite takes a charge and a refund alone,
and kills after everything durable: nothing that survives lies between that and the moment before what follows.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.chaos.enumeration import enumerate_crashes
from tests.chaos.journeys import JOURNEYS, Confirm, Journey, RefundInPart
from tests.provider import Provider

PROVE = bool(os.environ.get("PROVE"))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", JOURNEYS if PROVE else (Confirm, RefundInPart), ids=lambda kind: kind.name)
def test_a_journey_killed_at_any_point_comes_out_the_same(
    kind: type[Journey],
    provider: Provider,
    drain: Callable[[], None],
    settings: Any,
    record_property: Callable[[str, object], None],
):
    settings.SANDBOX_CARRIER_TRANSIT_SECONDS = kind.transit_seconds
    began = time.monotonic()

    found = enumerate_crashes(kind(provider, drain), only=lambda point: PROVE or point.startswith("after"))

    record_property("crashes", f"{found}, {time.monotonic() - began:.0f} s")
    assert found.violations == []
    assert found.died_at == [point for point in found.points if PROVE or point.startswith("after")]
    assert len(found.points) >= kind.floor
