"""Admission: how many orders a web process works on at once; whoever comes beyond that is refused at once and told when to retry.

An order keeps a thread for as long as the provider takes. Without a bound, a rush fills every thread and each order
waits for all before it; with it the wait of those who are let in is bounded, and the threads that are left over answer
what costs little: reads, webhooks, probes, and the refusals themselves. See docs/adr/0015-admission.md.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum

from django.conf import settings
from prometheus_client import Counter, Gauge

from shop.errors import Busy

LONGEST_WAIT_SECONDS = 3
# A look reads who calls and what is kept, a refusal nothing. In a rush nearly all come for the first time.
LOOKS_A_SECOND = 10

AT_WORK = Gauge("shop_orders_at_work", "Requests that work on an order at this moment", multiprocess_mode="livesum")
LIMIT = Gauge("shop_orders_at_work_limit", "How many may at once (MAX_ORDERS_AT_WORK)", multiprocess_mode="livesum")
TURNED_AWAY = Counter("shop_orders_turned_away", "Requests that found no place and were answered 503")


class Overloaded(Busy):
    """This process is working on as many orders as it can. Nothing was recorded: repeat with the same key."""

    code = "overloaded"
    title = "The shop is busy; try again in a moment"

    def __init__(self) -> None:
        super().__init__()
        # Spread, so that those who were turned away together do not come back together.
        self.retry_after_seconds = random.randint(1, LONGEST_WAIT_SECONDS)  # noqa: S311  no secret


class Place(Enum):
    """What a request was let in for."""

    WORK = "work"
    LOOK = "look"


class Admission:
    """Counts who is in; never waits and never queues. `clock` returns seconds."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._inside = {Place.WORK: 0, Place.LOOK: 0}
        self._looks, self._counted_at = float(LOOKS_A_SECOND), clock()

    @contextmanager
    def enter(self) -> Iterator[Place]:
        """Let one request in until the block ends: to work, or else only to look up the answer that its key may have.

        Those that only look are a quarter as many, and no more than LOOKS_A_SECOND, after a quiet second that many at
        once. Without that bound, in a rush nearly all who are turned away look first, and take the machine from the
        orders at work. Raises: Overloaded.
        """
        place = self._take()
        if place is None:
            TURNED_AWAY.inc()
            raise Overloaded
        try:
            yield place
        finally:
            self._leave(place)

    def _take(self) -> Place | None:
        most = settings.MAX_ORDERS_AT_WORK
        LIMIT.set(most)
        with self._lock:
            for place, room in ((Place.WORK, most), (Place.LOOK, max(1, most // 4))):
                if self._inside[place] < room and (place is Place.WORK or self._may_look()):
                    self._inside[place] += 1
                    AT_WORK.set(self._inside[Place.WORK])
                    return place
        return None

    def _may_look(self) -> bool:
        """Take one of the looks of this second, if one is left."""
        moment = self._clock()
        since, self._counted_at = moment - self._counted_at, moment
        self._looks = min(self._looks + since * LOOKS_A_SECOND, LOOKS_A_SECOND)
        if self._looks < 1:
            return False
        self._looks -= 1
        return True

    def _leave(self, place: Place) -> None:
        with self._lock:
            self._inside[place] -= 1
            AT_WORK.set(self._inside[Place.WORK])


orders_at_work = Admission()


def turn_away() -> Overloaded:
    """Count and return the refusal of a request that was let in only to look, and found nothing."""
    TURNED_AWAY.inc()
    return Overloaded()
