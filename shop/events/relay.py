"""The relay: carries what stands in the outboxes to the transport, and marks a row published once it has arrived.

Rows are claimed by state, never by cursor (ids commit out of order). A claim is a short lease, taken by one relay of a
context at a time, and never takes a row while another relay holds an earlier one of the same aggregate: order is kept
per aggregate with any number of relays. The transport is called outside any transaction. A relay that dies costs its
batch the rest of the lease; one that was only slow sends a batch twice, and the inboxes drop the copies.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections

from shop import transactions
from shop.events import claims
from shop.events.claims import LEASE_SECONDS, Refused, Row
from shop.events.outbox import outbox_of, publishing_contexts
from shop.events.port import TransportUnavailable
from shop.events.transport import transport
from shop.resilience.retry import backoff_seconds
from shop.work.moments import Moments

log = structlog.get_logger(__name__)

Result = TypeVar("Result")

BATCH = 1000
NOTE_AGAIN_SECONDS = 0.25
# How long a process's own relay may take for a fact, once that has gathered, before the sweep looks.
PATIENCE_SECONDS = 1.0


def left_behind() -> dict[str, str]:
    """Return, by context, the SQL condition that a fact waits to be published and its process's relay has not come for it.

    The oldest tells for all. One of the future, dated by a server whose clock was ahead of this one's, hides none.
    Where processes have no relays, each fact that waits is left behind.
    """
    own = settings.EVENTS_GATHER_UNHEARD_SECONDS + PATIENCE_SECONDS if settings.EVENTS_WAKE_IN_PROCESS else 0.0
    return {
        context: f"coalesce((SELECT occurred_at <= now() - make_interval(secs => {own}) OR occurred_at > now()"
        f" FROM {outbox_of(context)._meta.db_table} WHERE published_at IS NULL AND quarantined_at IS NULL"
        " AND (claimed_until IS NULL OR claimed_until < now()) ORDER BY id LIMIT 1), false)"
        for context in publishing_contexts()
    }


def drain(context: str) -> int:
    """Publish everything that waits in one outbox; return how many rows were published.

    While another relay drains it, publish nothing and come again a little later: it may not have seen our rows.
    Raises: TransportUnavailable; the rows stay, free to be claimed again.
    """
    transactions.forbid()
    published = 0
    arrived: list[int] = []
    while True:
        claim = partial(claims.mark_and_claim, context, arrived, limit=BATCH)
        rows, mine = _retry_until_recorded(claim) if arrived else claim()
        if not rows:
            if not mine:
                wake(context)
            return published
        arrived = _carry(context, rows)
        published += len(arrived)


def _carry(context: str, rows: Sequence[Row]) -> list[int]:
    """Give claimed rows to the transport; return the keys of those that arrived. Raises: TransportUnavailable."""
    try:
        errors = transport().send([row.envelope for row in rows])
    except TransportUnavailable:
        claims.release(context, rows)
        raise
    arrived = [row.pk for row, error in zip(rows, errors, strict=True) if not error]
    if refused := [_refusal(row, error) for row, error in zip(rows, errors, strict=True) if error]:
        _count_failures(context, refused)
    return arrived


def _refusal(row: Row, error: str) -> Refused:
    attempts = row.attempts + 1
    hopeless = attempts >= settings.EVENTS_MAX_ATTEMPTS
    return Refused(row=row, error=error, wait=backoff_seconds(attempts), hopeless=hopeless)


def _count_failures(context: str, refused: Sequence[Refused]) -> None:
    """Hold rows that the transport refused for a while, and with each what follows of its aggregate.

    After many refusals a row is set aside for a human, and blocks nobody.
    """
    claims.refuse(context, refused)
    for each in refused:
        level = log.error if each.hopeless else log.warning
        event = "outbox.quarantined" if each.hopeless else "outbox.refused"
        level(event, event_id=str(each.row.envelope.event_id), error=each.error)


def drain_all() -> int:
    """Publish everything that waits in every outbox; return how many rows were published.

    A context that fails does not block the others. Errors are raised once all contexts were tried: a database error
    first, else TransportUnavailable, which callers wait out; several bugs as an ExceptionGroup.
    Raises: TransportUnavailable where nothing but the broker was away.
    """
    published = 0
    failures: list[Exception] = []
    for context in publishing_contexts():
        try:
            published += drain(context)
        except SoftTimeLimitExceeded:
            raise
        except TransportUnavailable as error:
            log.warning("relay.broker_unavailable", context=context, error=str(error))
            failures.append(error)
        except Exception as error:
            log.exception("relay.failed", context=context)
            failures.append(error)
    # One outage is felt in every context, and callers know it by its class: no group hides it from them.
    serious = [error for error in failures if not isinstance(error, TransportUnavailable)] or failures[:1]
    if all(isinstance(error, OperationalError | InterfaceError) for error in serious):
        serious = serious[:1]
    if len(serious) > 1:
        raise ExceptionGroup("some outboxes could not be published", serious)
    if serious:
        raise serious[0]
    return published


def _retry_until_recorded(note: Callable[[], Result]) -> Result:
    """Note what has arrived even where the database is being restarted just then: else all of it goes out again.

    Raises: what keeps failing until the claim would have ended anyway.
    """
    deadline = time.monotonic() + LEASE_SECONDS
    while True:
        try:
            return note()
        except (OperationalError, InterfaceError) as error:
            if time.monotonic() > deadline:
                raise
            log.warning("relay.database_unavailable", error=str(error))
        time.sleep(NOTE_AGAIN_SECONDS)
        close_old_connections()


class RelayThread(threading.Thread):
    """Publishes within milliseconds of a commit, in the process that committed; gathers what commits meanwhile."""

    def __init__(self, name: str = "relay", *, spares: RelayThread | None = None) -> None:
        """`spares`: the thread that need not come for what this one takes along."""
        super().__init__(name=name, daemon=True)
        self._moments = Moments()
        self._spares = spares

    def wake(self, context: str, *, after: float = 0.0) -> None:
        """Ask for the outbox of `context` to be drained in `after` seconds; what is heard gathers between two drains."""
        self._moments.ask(context, after=after, apart=settings.EVENTS_GATHER_SECONDS)

    def forget(self, context: str) -> None:
        """Do not come for the outbox of `context`, unless it is asked for again."""
        self._moments.forget(context)

    def run(self) -> None:
        """Drain what is asked for, until the process ends; wait longer and longer while the broker is away."""
        failures = 0
        while True:
            if failures:
                # Wakes do not cut this short: each would claim and free a batch for nothing.
                time.sleep(min(5.0, 0.25 * 2 ** min(failures, 6)))
            failed = [context for context in sorted(self._moments.take()) if not self._drained(context)]
            failures = failures + 1 if failed else 0
            for context in failed:
                self.wake(context)

    def _drained(self, context: str) -> bool:
        if self._spares is not None:
            # Before the claim, which sees every fact that was asked for so far.
            self._spares.forget(context)
        close_old_connections()
        try:
            drain(context)
        except TransportUnavailable as error:
            log.warning("relay.broker_unavailable", context=context, error=str(error))
            return False
        except Exception:
            # The thread must outlive a database that is away; the rows are safe and the sweep comes by.
            log.exception("relay.failed", context=context)
            return False
        finally:
            # To the pool, where there is one: while nothing commits, a request works with it.
            close_old_connections()
        return True


@dataclass(frozen=True)
class _Relays:
    """The threads of one process: what somebody in the shop hears never waits behind what nobody does."""

    pid: int
    heard: RelayThread
    unheard: RelayThread

    @classmethod
    def start(cls) -> _Relays:
        unheard = RelayThread("relay unheard")
        heard = RelayThread(spares=unheard)
        for thread in (heard, unheard):
            thread.start()
        return cls(os.getpid(), heard, unheard)

    def are_running(self) -> bool:
        return self.pid == os.getpid() and self.heard.is_alive() and self.unheard.is_alive()


_relays: _Relays | None = None
_relays_lock = threading.Lock()


def wake(context: str, *, heard: bool = True) -> None:
    """Have this process publish the outbox of `context` soon. Losing the call is harmless: the sweep finds the rows.

    A fact that nobody in the shop hears can wait: it goes along with the next that somebody does, or a second later.
    """
    global _relays  # noqa: PLW0603  one pair of threads per process
    if not settings.EVENTS_WAKE_IN_PROCESS:
        return
    with _relays_lock:
        if _relays is None or not _relays.are_running():
            _relays = _Relays.start()
        relays = _relays
    if heard:
        relays.heard.wake(context)
    else:
        relays.unheard.wake(context, after=settings.EVENTS_GATHER_UNHEARD_SECONDS)
