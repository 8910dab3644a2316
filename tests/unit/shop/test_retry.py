"""The time between two tries: it doubles, up to a cap, and no two who failed together come back together."""

import pytest

from shop.resilience.retry import backoff_seconds


@pytest.mark.parametrize(("attempt", "wait"), [(1, 1), (2, 2), (5, 16), (9, 256), (10, 300), (1_000_000, 300)])
def test_the_wait_doubles_up_to_its_cap(attempt, wait):
    for _try in range(50):
        assert 0.8 * wait <= backoff_seconds(attempt) <= 1.2 * wait


def test_the_first_wait_and_the_cap_are_the_caller_s():
    assert 1.6 <= backoff_seconds(1, first=2.0) <= 2.4
    assert 24 <= backoff_seconds(20, first=2.0, cap=30.0) <= 36


def test_those_who_failed_together_do_not_come_back_together():
    waits = {backoff_seconds(6) for _try in range(50)}

    assert len(waits) > 40
    assert max(waits) - min(waits) > 1
