"""Processes whose database sessions break: the next piece of work gets a session that works."""

from __future__ import annotations

import pytest
from django.db import connections

from orders.models import Outbox
from shop import transactions
from shop.events import relay
from tests.driver.waiting import until
from tests.integration.events.bench import applied, ring

SESSIONS = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND backend_type = 'client backend'"
)


def sessions_of(context: str) -> int:
    """Return how many sessions other processes have."""
    with connections[transactions.alias_for(context)].cursor() as cursor:
        cursor.execute(SESSIONS)
        return len(cursor.fetchall())


def break_sessions(*contexts: str) -> int:
    """End every session of other processes, as a restart of PostgreSQL does; return how many there were."""
    ended = 0
    for alias in {transactions.alias_for(context) for context in contexts}:
        with connections[alias].cursor() as cursor:
            cursor.execute(f"SELECT pg_terminate_backend(pid) FROM ({SESSIONS}) AS others")
            ended += len(cursor.fetchall())
    return ended


def test_a_worker_applies_what_comes_after_its_sessions_broke_at_the_first_attempt(broker, worker, settings):
    settings.EVENTS_DELIVERIES_PER_MESSAGE = 1
    process = worker()
    before = []

    def both_have_sessions():
        before.append(ring())
        relay.drain("orders")
        return sessions_of("notifications") >= 2

    until(both_have_sessions, "both processes have sessions", process=process)
    until(lambda: len(applied()) == len(before), "and nothing to do", process=process)

    assert break_sessions("notifications") >= 2
    after = [ring() for _ in range(20)]
    relay.drain("orders")

    until(lambda: len(applied()) == len(before) + 20, "the worker goes on", process=process)
    assert sorted(applied()) == sorted((bell, 1) for bell in [*before, *after])
    assert broker.depth("notifications.dead")[0] == 0, "no delivery failed on a session that was gone"


@pytest.mark.timeout(300)
def test_a_relay_process_outlives_a_database_that_is_restarted(broker, start):
    process = start("relay", "manage.py", "relay_outbox", "--forever")
    published = Outbox.objects.exclude(published_at=None)
    ring()
    until(lambda: published.count() == 1, "the relay publishes", process=process)

    assert break_sessions("orders") >= 1
    ring()

    until(lambda: published.count() == 2, "the relay goes on", process=process)
    assert process.is_running()
