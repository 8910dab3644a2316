"""The relay: carries what stands in the outboxes to the transport, and marks a row published once it has arrived.

Rows are claimed by state, never by cursor (ids commit out of order). A claim is a short lease, taken under a short
advisory lock, and never takes a row while another relay holds an earlier one of the same aggregate: order is kept per
aggregate with any number of relays. The transport is called outside any transaction. A relay that dies costs its batch
the rest of the lease; one that was only slow sends a batch twice, and the inboxes drop the copies.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.apps import apps
from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections, connections
from django.db.models import F
from django.db.models.functions import Now

from shop import transactions
from shop.events.bus import TransportUnavailable, transport
from shop.events.outbox import OutboxMessage, outbox_of
from shop.resilience.retry import backoff_seconds

log = structlog.get_logger(__name__)

BATCH = 200
LEASE_SECONDS = 8
NOTE_AGAIN_SECONDS = 0.25


def publishing_contexts() -> list[str]:
    """Return the contexts that have an outbox."""
    return sorted(model._meta.app_label for model in apps.get_models() if issubclass(model, OutboxMessage))


def drain(context: str) -> int:
    """Publish everything that waits in one outbox; return how many rows were published.

    Raises: TransportUnavailable; the rows stay, free to be claimed again.
    """
    transactions.forbid()
    published = 0
    while rows := _claim(context):
        try:
            errors = transport().send([row.envelope() for row in rows])
        except TransportUnavailable:
            _release(context, rows)
            raise
        arrived = [row.pk for row, error in zip(rows, errors, strict=True) if not error]
        _insist(lambda: _mark_published(context, arrived))  # noqa: B023  called at once
        for row, error in zip(rows, errors, strict=True):
            if error:
                _count_failure(context, row, error)
        published += len(arrived)
    return published


def drain_all() -> int:
    """Publish everything that waits in every outbox; return how many rows were published.

    A context that fails keeps no other from its turn; what it raised is raised in the end. Where several failed: the
    error of a database before TransportUnavailable, which callers wait out, and different bugs together.
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


def _claim(context: str) -> list[OutboxMessage]:
    model = outbox_of(context)
    alias = transactions.alias_for(context)
    table = connections[alias].ops.quote_name(model._meta.db_table)
    with transactions.transaction(context):
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"relay:{context}"])
            cursor.execute(
                f"WITH next AS (SELECT id FROM {table} AS o WHERE published_at IS NULL AND quarantined_at IS NULL"
                "  AND (claimed_until IS NULL OR claimed_until < clock_timestamp())"
                f" AND NOT EXISTS (SELECT 1 FROM {table} AS earlier WHERE earlier.aggregate_id = o.aggregate_id"
                "   AND earlier.id < o.id AND earlier.published_at IS NULL AND earlier.quarantined_at IS NULL"
                "   AND earlier.claimed_until >= clock_timestamp())"
                "  ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)"
                f" UPDATE {table} AS o SET claimed_until = clock_timestamp() + make_interval(secs => %s) FROM next WHERE o.id = next.id"
                " RETURNING o.id",
                [BATCH, LEASE_SECONDS],
            )
            claimed = [row[0] for row in cursor.fetchall()]
        return list(model._default_manager.using(alias).filter(pk__in=claimed).order_by("id")) if claimed else []


def _insist(note: Callable[[], None]) -> None:
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


def _mark_published(context: str, ids: Sequence[int]) -> None:
    with transactions.transaction(context):
        outbox_of(context)._default_manager.using(transactions.alias_for(context)).filter(
            pk__in=ids, published_at=None
        ).update(published_at=Now(), claimed_until=None)


def _release(context: str, rows: Sequence[OutboxMessage]) -> None:
    with transactions.transaction(context):
        outbox_of(context)._default_manager.using(transactions.alias_for(context)).filter(
            pk__in=[row.pk for row in rows], published_at=None
        ).update(claimed_until=None)


def _count_failure(context: str, row: OutboxMessage, error: str) -> None:
    """Hold a row that the transport refused for a while, and with it what follows of its aggregate.

    After many refusals it is set aside for a human, and blocks nobody.
    """
    wait = timedelta(seconds=backoff_seconds(row.attempts + 1))
    hopeless = row.attempts + 1 >= settings.EVENTS_MAX_ATTEMPTS
    with transactions.transaction(context):
        outbox_of(context)._default_manager.using(transactions.alias_for(context)).filter(
            pk=row.pk, published_at=None
        ).update(
            claimed_until=None if hopeless else Now() + wait,
            attempts=F("attempts") + 1,
            last_error=error,
            quarantined_at=Now() if hopeless else None,
        )
    level = log.error if hopeless else log.warning
    level("outbox.quarantined" if hopeless else "outbox.refused", event_id=str(row.event_id), error=error)


class RelayThread(threading.Thread):
    """Publishes within milliseconds of a commit, in the process that committed."""

    def __init__(self) -> None:
        super().__init__(name="relay", daemon=True)
        self._wanted: set[str] = set()
        self._signal = threading.Condition()

    def wake(self, context: str) -> None:
        """Ask for the outbox of `context` to be drained."""
        with self._signal:
            self._wanted.add(context)
            self._signal.notify()

    def run(self) -> None:
        """Drain what is asked for, until the process ends; wait longer and longer while the broker is away."""
        failures = 0
        while True:
            with self._signal:
                if failures:
                    # Wakes do not cut this short: each would claim and free a batch for nothing.
                    self._signal.wait_for(lambda: False, timeout=min(5.0, 0.25 * 2 ** min(failures, 6)))
                while not self._wanted:
                    self._signal.wait()
                wanted, self._wanted = self._wanted, set()
            failed = {context for context in sorted(wanted) if not self._drained(context)}
            failures = failures + 1 if failed else 0
            with self._signal:
                self._wanted |= failed

    def _drained(self, context: str) -> bool:
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
        return True


_thread: RelayThread | None = None
_thread_pid = 0
_thread_lock = threading.Lock()


def wake(context: str) -> None:
    """Have this process publish the outbox of `context` now. Losing the call is harmless: the sweep finds the rows."""
    global _thread, _thread_pid
    if not settings.EVENTS_WAKE_IN_PROCESS:
        return
    with _thread_lock:
        if _thread is None or _thread_pid != os.getpid() or not _thread.is_alive():
            _thread, _thread_pid = RelayThread(), os.getpid()
            _thread.start()
    _thread.wake(context)
