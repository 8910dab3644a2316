"""Calls that may hang: how long they are waited for, how many hang at once, and what comes of an adapter's errors."""

from __future__ import annotations

import threading

import pytest

from shop.errors import Fault, Refusal
from shop.resilience.breaker import BreakerOpen
from shop.resilience.time_limit import TimeLimited


class Away(Fault):
    code = "away"
    title = "The dependency is away"


@pytest.fixture
def calls() -> TimeLimited:
    return TimeLimited("a dependency of the tests", unavailable=Away, at_once=2)


def test_what_the_call_returns_is_returned(calls: TimeLimited):
    assert calls.call(lambda: 7, within=30) == 7


def test_a_call_that_hangs_is_given_up_and_takes_a_place_until_it_ends(calls: TimeLimited):
    hangs = threading.Event()
    for _call in range(2):
        with pytest.raises(Away, match="no answer within"):
            calls.call(lambda: hangs.wait(60), within=0.01)

    with pytest.raises(Away, match="too many calls"):
        calls.call(lambda: 7, within=30)
    hangs.set()
    for thread in threading.enumerate():
        if thread.name == calls.name:
            thread.join(60)

    assert calls.call(lambda: 7, within=30) == 7


def test_an_error_of_the_adapter_is_a_fault_and_its_refusals_are_its_own(calls: TimeLimited):
    def breaks() -> None:
        raise ZeroDivisionError

    def refuses() -> None:
        raise Refusal("no")

    with pytest.raises(Away) as broken:
        calls.call(breaks, within=30)
    with pytest.raises(Refusal, match="no"):
        calls.call(refuses, within=30)

    assert isinstance(broken.value.__cause__, ZeroDivisionError)


def test_whoever_fails_again_and_again_is_not_asked_any_more(calls: TimeLimited, settings):
    settings.BREAKER_MINIMUM_CALLS = 3

    def away() -> None:
        raise Away

    for _call in range(3):
        with pytest.raises(Away):
            calls.call(away, within=30)

    with pytest.raises(BreakerOpen):
        calls.call(away, within=30)
