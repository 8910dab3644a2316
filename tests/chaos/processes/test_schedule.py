"""The schedule of a campaign follows from its seed and leaves no kind of fault out."""

from __future__ import annotations

from tests.chaos.processes.campaign import Recovery, schedule, worst
from tests.chaos.processes.faults import FAULTS, NAMED
from tests.chaos.processes.test_campaign import SHORT


def test_every_kind_comes_once_before_any_comes_again():
    rounds = schedule(seed=1, rounds=len(FAULTS) + 5)

    assert sorted(fault.name for fault in rounds[: len(FAULTS)]) == sorted(NAMED)
    assert len(rounds) == len(FAULTS) + 5


def test_the_same_seed_gives_the_same_schedule():
    assert schedule(seed=1, rounds=30) == schedule(seed=1, rounds=30) != schedule(seed=2, rounds=30)


def test_the_short_form_takes_faults_that_exist():
    assert set(SHORT) <= set(NAMED)


def test_a_recovery_that_took_too_long_is_named_with_its_round_and_what_came_last():
    fault = NAMED["PostgreSQL killed"]

    (late,) = worst([Recovery("round 1", fault, 14.9, "a"), Recovery("round 2", fault, 15.1, "3 facts unpublished")])

    assert late == "round 2: well after 15.1 s, not 15; last came 3 facts unpublished"
