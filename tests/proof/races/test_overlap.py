"""The overlap is what it says: the second runs while the first is held, waits for its locks, and nothing stays watched."""

from __future__ import annotations

import pytest
from django.db import connections

from local.carrier.gateway import SandboxCarrier
from tests.proof.races import stage as scenes
from tests.proof.races.matrix import BY_NAME
from tests.proof.races.overlap import Met, Pair
from tests.proof.races.stage import Stage


def refunds_overlap(stage: Stage, pair: Pair, *, at: int) -> Met:
    refund = BY_NAME["refund"]
    stage.begin(scenes.confirmed)
    return pair.overlap(refund.make(stage, scenes.confirmed), refund.make(stage, scenes.confirmed), at=at)


@pytest.mark.parametrize(("at", "point", "waits"), [(0, "before COMMIT", True), (1, "after COMMIT", False)])
def test_the_second_waits_for_the_locks_of_the_first_and_for_nothing_else(
    at: int, point: str, waits: bool, stage: Stage, pair: Pair
):
    met = refunds_overlap(stage, pair, at=at)

    assert met.points[at].startswith(f"{point} payments_payment+payments_refund")
    assert met.waited == waits
    assert (met.first.answer.status_code, met.second.answer.status_code) == (201, 409)


def test_nothing_stays_watched(stage: Stage, pair: Pair):
    find = SandboxCarrier.find

    refunds_overlap(stage, pair, at=0)

    assert SandboxCarrier.find is find
    assert [vars(connections[alias]).keys() & {"commit", "rollback"} for alias in connections] == [set()] * len(
        list(connections)
    )


def test_a_point_that_the_first_does_not_come_to_is_told(stage: Stage, pair: Pair):
    with pytest.raises(AssertionError, match="ended before its point"):
        refunds_overlap(stage, pair, at=99)
