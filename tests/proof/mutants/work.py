"""Mutants of work that is due, and of what fails and is tried again."""

from __future__ import annotations

from tests.proof.mutants.mutant import Mutant

DUE_ROWS = "shop/work/rows.py"
EDGE = "tests/integration/shop"
DUE = "tests/integration/shop/test_due_rows.py"
BREAKER = "tests/unit/shop/test_breaker.py"

MUTANTS = (
    Mutant(
        removes="the lease of a row that is due",
        promise="I10",
        file=DUE_ROWS,
        old="SET due_at = now() + make_interval(secs => %(lease_seconds)s::float8)",
        new="SET due_at = now() + 0 * make_interval(secs => %(lease_seconds)s::float8)",
        killers=(f"{DUE}::test_a_claimed_row_is_left_alone_until_its_lease_ends",),
    ),
    Mutant(
        removes="the rise of the worker's time limit out of a turn",
        promise="I10",
        file="shop/work/turn.py",
        old='    except SoftTimeLimitExceeded:\n        log.warning("work.out_of_time", **names)\n        raise\n',
        new="",
        killers=(f"{EDGE}/test_turns.py::test_the_soft_time_limit_rises_and_what_was_not_begun_is_due_as_before",),
    ),
    Mutant(
        removes="the second look of a sweep that was asked for while it ran",
        promise="I10",
        file="shop/sql/end_run.sql",
        old="CASE WHEN asked_again AND",
        new="CASE WHEN FALSE AND",
        killers=(
            "tests/integration/shop/test_places.py::test_a_sweep_that_runs_is_not_begun_again_but_looks_once_more",
        ),
    ),
    Mutant(
        removes="the skipping of due rows that another worker has locked",
        promise="I10",
        file=DUE_ROWS,
        old=' FOR UPDATE SKIP LOCKED"',
        new=' FOR UPDATE"',
        killers=(f"{DUE}::test_a_row_that_another_worker_has_at_hand_is_passed_by",),
    ),
    Mutant(
        removes="the end of what a failing breaker lets through",
        promise="I10",
        file="shop/resilience/breaker.py",
        old="                if (left := self._seconds_left()) > 0:\n",
        new="                if False:\n",
        killers=(f"{BREAKER}::test_an_open_breaker_sends_nothing_and_says_when_to_come_back",),
    ),
    Mutant(
        removes="the difference between a decline and an outage for the breaker",
        promise="I10",
        file="shop/resilience/breaker.py",
        old="isinstance(error, self._counts) and not isinstance(error, Refusal)",
        new="isinstance(error, (*self._counts, Refusal))",
        killers=(f"{BREAKER}::test_refusals_and_other_answers_never_open_it",),
    ),
    Mutant(
        removes="the cap on the time between two tries",
        promise="I10",
        file="shop/resilience/retry.py",
        old="    wait = min(cap, first * 2.0 ** min(attempt - 1, 32))\n",
        new="    wait = first * 2.0 ** min(attempt - 1, 32)\n",
        killers=("tests/unit/shop/test_retry.py::test_the_wait_doubles_up_to_its_cap",),
    ),
    Mutant(
        removes="the jitter of the time between two tries",
        promise="I10",
        file="shop/resilience/retry.py",
        old="    return wait * random.uniform(0.8, 1.2)",
        new="    return wait * random.uniform(1.0, 1.0)",
        killers=("tests/unit/shop/test_retry.py::test_those_who_failed_together_do_not_come_back_together",),
    ),
)
