"""Circuit breakers: after too many failures of one dependency, say so at once instead of waiting for the next timeout.

pybreaker's state machine, repaired in two points: it holds its lock while it calls, so that calls queue up behind each
other, and it counts failures in a row, not the share of failures in a window. State is per process.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import pybreaker
import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import Error as DatabaseError
from prometheus_client import Counter, Gauge

from shop.errors import Busy, Fault, Refusal

P = ParamSpec("P")
R = TypeVar("R")
Clock = Callable[[], float]

log = structlog.get_logger(__name__)

STATE = Gauge(
    "shop_breaker_state",
    "State of a circuit breaker: 0 closed, 1 half-open, 2 open; of several processes the worst",
    ["name"],
    multiprocess_mode="livemax",
)
OPENINGS = Counter("shop_breaker_openings", "How often a circuit breaker opened", ["name"])
# What ends a call without a word about the dependency: our own time limit, our own database, our own queues.
SAYS_NOTHING: tuple[type[Exception], ...] = (SoftTimeLimitExceeded, DatabaseError, Busy)
_STATE_VALUES = {pybreaker.STATE_CLOSED: 0, pybreaker.STATE_HALF_OPEN: 1, pybreaker.STATE_OPEN: 2}


class BreakerOpen(Fault):
    """The dependency failed too often lately: nothing was sent, and `retry_after_seconds` says when to come back."""

    code = "breaker_open"
    title = "A dependency is unavailable; nothing was sent to it"
    fact_types = {"breaker": str}

    def __init__(self, *, name: str, seconds_left: float) -> None:
        super().__init__(f"{name} is unavailable; nothing was sent to it", breaker=name)
        self.retry_after_seconds = max(1, math.ceil(seconds_left))


@dataclass(frozen=True)
class BreakerState:
    """What a breaker looks like from outside: closed, half-open or open, and the calls of its window."""

    name: str
    state: str
    calls: int
    failures: int


class Breaker:
    """Guards the calls to one dependency: `breaker.call(fn, *args, **kwargs)`.

    An exception of `counts` that is no Refusal is a failure. One of SAYS_NOTHING is not counted. Any other answer, also
    an exception, shows that the dependency is alive. Opens when at least BREAKER_FAILURE_RATIO of the calls of the last BREAKER_WINDOW_SECONDS
    failed, given BREAKER_MINIMUM_CALLS; after BREAKER_RESET_SECONDS one probe decides. One instance per name.
    """

    def __init__(
        self,
        name: str,
        *,
        counts: tuple[type[BaseException], ...] = (Fault, OSError),
        clock: Clock = time.monotonic,
    ) -> None:
        self.name = name
        self._counts = counts
        self._machine = _StateMachine(name, is_failure=self._is_failure, clock=clock)
        _registry[name] = self
        STATE.labels(name).set(0)
        OPENINGS.labels(name)

    def call(self, call: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call through the breaker, without any lock held. Raises: BreakerOpen, or what the call raises."""
        permit = self._machine.enter()
        try:
            result = call(*args, **kwargs)
        except SAYS_NOTHING:
            self._machine.abandon(permit)
            raise
        except Exception as error:
            self._machine.leave(permit, error)
            raise
        except BaseException:
            self._machine.abandon(permit)
            raise
        self._machine.leave(permit, None)
        return result

    def state(self) -> BreakerState:
        """Return what /ready, the admin and tests show of it."""
        return self._machine.snapshot()

    def tell_state(self) -> None:
        """Set the gauge to the state as it is now: an open breaker turns half-open by time alone, without a call."""
        STATE.labels(self.name).set(_STATE_VALUES[self.state().state])

    def reset(self) -> None:
        """Close it and forget its window (tests, and a human who knows better)."""
        self._machine.forget()

    def _is_failure(self, error: BaseException) -> bool:
        return isinstance(error, self._counts) and not isinstance(error, Refusal)


_registry: dict[str, Breaker] = {}


def breakers() -> tuple[Breaker, ...]:
    """Return every breaker of this process, by name."""
    return tuple(_registry[name] for name in sorted(_registry))


def tell_states() -> None:
    """Set the gauges of all breakers; called regularly, since time alone makes an open one half-open."""
    for breaker in breakers():
        breaker.tell_state()


def _tell_later(name: str) -> None:
    """Show an open breaker as half-open once its time has passed, also where nobody calls it meanwhile."""
    timer = threading.Timer(settings.BREAKER_RESET_SECONDS, _registry[name].tell_state)
    timer.daemon = True
    timer.start()


class _Window(pybreaker.CircuitMemoryStorage):
    """Counts calls of the last BREAKER_WINDOW_SECONDS. To pybreaker its counter is 1 when the share is reached."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(pybreaker.STATE_CLOSED)
        self._clock = clock
        self._outcomes: deque[tuple[float, bool]] = deque()
        self.failures = 0

    def record(self, *, failed: bool) -> None:
        self._outcomes.append((self._clock(), failed))
        self.failures += failed
        self._roll()

    def clear(self) -> None:
        self._outcomes.clear()
        self.failures = 0

    @property
    def calls(self) -> int:
        self._roll()
        return len(self._outcomes)

    @property
    def counter(self) -> int:
        calls = self.calls
        return int(
            calls >= settings.BREAKER_MINIMUM_CALLS and self.failures >= settings.BREAKER_FAILURE_RATIO * max(calls, 1)
        )

    def increment_counter(self) -> None:
        self.record(failed=True)

    def reset_counter(self) -> None:
        """Keep the window: one success among failures does not wipe them out."""

    def _roll(self) -> None:
        oldest = self._clock() - settings.BREAKER_WINDOW_SECONDS
        while self._outcomes and self._outcomes[0][0] <= oldest:
            self.failures -= self._outcomes.popleft()[1]


class _Reporter(pybreaker.CircuitBreakerListener):
    """Tells the log and the metrics what pybreaker decided, and the window what succeeded."""

    def __init__(self, window: _Window) -> None:
        self._window = window

    def success(self, cb: pybreaker.CircuitBreaker) -> None:
        self._window.record(failed=False)

    def state_change(self, cb: pybreaker.CircuitBreaker, old_state: Any, new_state: Any) -> None:
        STATE.labels(cb.name).set(_STATE_VALUES[new_state.name])
        if new_state.name == pybreaker.STATE_OPEN:
            OPENINGS.labels(cb.name).inc()
            log.error("breaker.opened", breaker=cb.name, calls=self._window.calls, failures=self._window.failures)
            _tell_later(str(cb.name))
        elif new_state.name == pybreaker.STATE_HALF_OPEN:
            log.info("breaker.probing", breaker=cb.name)
        else:
            self._window.clear()
            log.info("breaker.closed", breaker=cb.name)


@dataclass(frozen=True)
class _Permit:
    """Permission to make one call; `era` tells the calls before an opening from those after it."""

    era: int
    probe: bool


class _StateMachine(pybreaker.CircuitBreaker):
    """pybreaker's state machine, entered before a call and told of the outcome after it; locked only in between."""

    def __init__(self, name: str, *, is_failure: Callable[[BaseException], bool], clock: Clock) -> None:
        self._dependency = name
        self.window = _Window(clock)
        self._clock = clock
        self._opened_at_tick = 0.0
        self._era = 0
        self._probe_began: float | None = None
        super().__init__(
            fail_max=1,
            exclude=[lambda error: not is_failure(error)],
            listeners=[_Reporter(self.window)],
            state_storage=self.window,
            name=name,
            throw_new_error_on_trip=False,
        )

    def open(self) -> bool:
        """Open by the injected clock as well as by the library's."""
        with self._lock:
            self._opened_at_tick = self._clock()
            self._era += 1
            return bool(super().open())

    def enter(self) -> _Permit:
        """Return permission to call. Raises: BreakerOpen while open, and to all but the one probe while half-open."""
        with self._lock:
            if self.current_state == pybreaker.STATE_CLOSED:
                return _Permit(self._era, probe=False)
            if self.current_state == pybreaker.STATE_OPEN:
                if (left := self._seconds_left()) > 0:
                    raise BreakerOpen(name=self._dependency, seconds_left=left)
                self.half_open()
            if self._probe_began is not None:
                raise BreakerOpen(
                    name=self._dependency,
                    seconds_left=self._probe_began + settings.BREAKER_TIMEOUT_SECONDS - self._clock(),
                )
            self._probe_began = self._clock()
            return _Permit(self._era, probe=True)

    def leave(self, permit: _Permit, error: Exception | None) -> None:
        """Feed the outcome to pybreaker; ignore outcomes of calls that began before the breaker opened."""
        with self._lock:
            if permit.probe:
                self._probe_began = None
            if permit.era != self._era:
                return
            if error is None and not permit.probe:
                # All that pybreaker's way through an answer to a closed breaker comes to.
                self.window.record(failed=False)
                return

            def outcome() -> None:
                if error is not None:
                    raise error

            try:
                super().call(outcome)
            except Exception as raised:
                if raised is not error:
                    raise

    def abandon(self, permit: _Permit) -> None:
        """Forget a call that ended by our own doing: it says nothing about the dependency."""
        with self._lock:
            if permit.probe:
                self._probe_began = None

    def snapshot(self) -> BreakerState:
        with self._lock:
            state = self.current_state
            if state == pybreaker.STATE_OPEN and self._seconds_left() <= 0:
                state = pybreaker.STATE_HALF_OPEN
            return BreakerState(self._dependency, state, self.window.calls, self.window.failures)

    def _seconds_left(self) -> float:
        return self._opened_at_tick + settings.BREAKER_RESET_SECONDS - self._clock()

    def forget(self) -> None:
        with self._lock:
            self._era += 1
            self._probe_began = None
            self.close()
            self.window.clear()
