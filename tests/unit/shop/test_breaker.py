"""The circuit breaker: calls run side by side, a share of failures opens it, one probe closes it, refusals do not count."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import OperationalError
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from shop.errors import Busy, Fault, Refusal
from shop.resilience.breaker import Breaker, BreakerOpen, breakers

WAIT = 60


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Declined(Refusal):
    code = "declined"


@pytest.fixture(autouse=True)
def limits(settings):
    settings.BREAKER_MINIMUM_CALLS = 4
    settings.BREAKER_FAILURE_RATIO = 0.5
    settings.BREAKER_WINDOW_SECONDS = 60.0
    settings.BREAKER_RESET_SECONDS = 30.0
    settings.BREAKER_TIMEOUT_SECONDS = 3.0


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def breaker(clock):
    return Breaker("stock", clock=clock)


def raising(error):
    def call():
        raise error

    return call


def attempt(breaker, error):
    with pytest.raises(type(error)):
        breaker.call(raising(error))


def opened(breaker):
    for _ in range(4):
        attempt(breaker, Fault("down"))
    return breaker


def state_metric():
    return REGISTRY.get_sample_value("shop_breaker_state", {"name": "stock"})


def openings_metric():
    return REGISTRY.get_sample_value("shop_breaker_openings_total", {"name": "stock"})


def test_call_gives_back_what_the_dependency_answers(breaker):
    assert breaker.call(lambda a, *, b: (a, b), 1, b=2) == (1, 2)


def test_calls_through_a_closed_breaker_run_side_by_side(breaker):
    together = threading.Barrier(4, timeout=WAIT)

    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(breaker.call, together.wait) for _ in range(4)]

        # The barrier opens only once all four are inside their calls at the same time.
        assert sorted(answer.result(WAIT) for answer in answers) == [0, 1, 2, 3]


def test_half_of_the_calls_failing_opens_it(breaker):
    for error in (None, None, Fault("down")):
        attempt(breaker, error) if error else breaker.call(lambda: None)
    assert breaker.state().state == "closed"

    attempt(breaker, OSError("refused"))

    assert breaker.state().state == "open"


def test_too_few_calls_open_nothing(breaker):
    for _ in range(3):
        attempt(breaker, Fault("down"))

    assert breaker.state().state == "closed"


def test_an_open_breaker_sends_nothing_and_says_when_to_come_back(breaker, clock):
    opened(breaker)
    clock.now += 12.5

    with pytest.raises(BreakerOpen) as refused:
        breaker.call(lambda: pytest.fail("it was called"))

    assert refused.value.retry_after_seconds == 18
    assert refused.value.facts == {"breaker": "stock"}


def test_refusals_and_other_answers_never_open_it(breaker):
    for _ in range(20):
        attempt(breaker, Declined("no"))
        attempt(breaker, ValueError("a bug of ours"))

    assert breaker.state().state == "closed"
    assert breaker.state().failures == 0


def test_failures_leave_the_window_with_time(breaker, clock):
    for _ in range(3):
        attempt(breaker, Fault("down"))
    clock.now += 60
    attempt(breaker, Fault("down"))

    assert breaker.state().calls == 1
    assert breaker.state().state == "closed"


def test_one_success_does_not_wipe_out_the_failures_before_it(breaker):
    attempt(breaker, Fault("down"))
    attempt(breaker, Fault("down"))
    breaker.call(lambda: None)
    attempt(breaker, Fault("down"))

    assert breaker.state().state == "open"


def test_after_the_pause_one_probe_goes_through_and_closes_it(breaker, clock):
    opened(breaker)
    clock.now += 30

    assert breaker.call(lambda: "alive") == "alive"

    assert breaker.state().state == "closed"
    assert breaker.call(lambda: "alive") == "alive"


def test_while_the_probe_is_under_way_all_others_are_sent_away(breaker, clock):
    opened(breaker)
    clock.now += 30
    probing, may_end = threading.Event(), threading.Event()

    def probe():
        probing.set()
        assert may_end.wait(WAIT)
        return "alive"

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(breaker.call, probe)
        assert probing.wait(WAIT)
        with pytest.raises(BreakerOpen) as refused:
            breaker.call(lambda: pytest.fail("a second probe"))
        may_end.set()
        assert answer.result(WAIT) == "alive"

    assert refused.value.retry_after_seconds == 3
    assert breaker.state().state == "closed"


def test_a_failed_probe_opens_it_for_another_pause(breaker, clock):
    opened(breaker)
    clock.now += 30
    attempt(breaker, Fault("still down"))
    clock.now += 29

    with pytest.raises(BreakerOpen) as refused:
        breaker.call(lambda: pytest.fail("it was called"))

    assert refused.value.retry_after_seconds == 1


def test_a_probe_that_is_interrupted_leaves_room_for_the_next(breaker, clock):
    opened(breaker)
    clock.now += 30
    with pytest.raises(KeyboardInterrupt):
        breaker.call(raising(KeyboardInterrupt()))

    assert breaker.call(lambda: "alive") == "alive"


@pytest.mark.parametrize("error", [SoftTimeLimitExceeded(), OperationalError("our own database"), Busy("a lock")])
def test_what_ended_on_our_own_side_says_nothing_about_the_dependency(breaker, clock, error):
    for _ in range(10):
        attempt(breaker, error)
    assert (breaker.state().state, breaker.state().calls) == ("closed", 0)

    opened(breaker)
    clock.now += 30
    attempt(breaker, error)

    # Neither closed by it nor open for another pause: the next call is the probe.
    assert breaker.state().state == "half-open"
    assert breaker.call(lambda: "alive") == "alive"


def test_an_open_breaker_shows_half_open_by_time_alone(breaker, clock):
    opened(breaker)
    clock.now += 29.9
    assert (breaker.state().state, state_metric()) == ("open", 2)

    clock.now += 0.1
    breaker.tell_state()

    assert (breaker.state().state, state_metric()) == ("half-open", 1)


def test_the_metric_of_an_open_breaker_follows_by_itself_in_a_process_that_is_asked_nothing(settings):
    """A worker's process may get no task for hours: an alert about its breaker must clear all the same."""
    settings.BREAKER_RESET_SECONDS = 0.2
    opened(Breaker("stock"))

    until = time.monotonic() + WAIT
    while state_metric() != 1:
        assert time.monotonic() < until, "the metric stays open"
        time.sleep(0.01)


def test_a_call_from_before_the_opening_does_not_decide_the_probe(breaker, clock):
    inside, may_end = threading.Event(), threading.Event()

    def slow():
        inside.set()
        assert may_end.wait(WAIT)

    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(breaker.call, slow)
        assert inside.wait(WAIT)
        opened(breaker)
        may_end.set()
        late.result(WAIT)

    assert breaker.state().state == "open"


def test_opening_and_closing_are_told_to_the_log_and_the_metrics(breaker, clock):
    before = openings_metric()
    with capture_logs() as logs:
        opened(breaker)
        assert state_metric() == 2
        clock.now += 30
        breaker.call(lambda: None)

    assert [(entry["event"], entry["log_level"]) for entry in logs] == [
        ("breaker.opened", "error"),
        ("breaker.probing", "info"),
        ("breaker.closed", "info"),
    ]
    assert openings_metric() == before + 1
    assert state_metric() == 0


def test_every_breaker_is_listed(breaker):
    assert breaker in breakers()
