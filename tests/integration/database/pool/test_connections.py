"""The pool of a web process: few connections for many threads, none held while the outside is waited for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from django.db import connections
from django.db.transaction import atomic
from psycopg_pool import ConnectionPool

from shop import transactions
from shop.database import pool as pools
from tests.integration.database.bench import ALIAS
from tests.integration.database.pool.asking import OTHER, PATIENCE, Counter, ask, finish_request, wrapper
from tests.integration.database.server import Server


def test_128_threads_that_wait_for_the_provider_live_on_16_connections(url: str, pooled: Callable[..., None]):
    pooled(url, DATABASE_POOL_MAX="16")
    counter = Counter(url)
    outside = threading.Barrier(128, timeout=PATIENCE)

    def walk() -> None:
        try:
            for _call in range(3):
                ask()
                transactions.go_outside()
                # All 128 are in their calls at once: a thread that held its connection would keep the others out.
                outside.wait()
                time.sleep(0.3)
                ask("SELECT pg_sleep(0.002)")
        finally:
            finish_request()

    with ThreadPoolExecutor(128) as threads:
        walks = [threads.submit(walk) for _ in range(128)]
        while not all(one.done() for one in walks):
            counter.look()
        for one in walks:
            one.result()
    counter.close()

    assert 2 <= counter.most <= 16


def test_two_threads_never_wait_for_the_connection_that_the_other_holds(url: str, pooled: Callable[..., None]):
    pooled(url, DATABASE_POOL_MAX="1")
    pooled(url, OTHER, DATABASE_POOL_MAX="1")
    both_hold_one = threading.Barrier(2, timeout=PATIENCE)

    def walk(first: str, second: str) -> None:
        try:
            ask(alias=first)
            both_hold_one.wait()
            ask(alias=second)
        finally:
            for alias in (first, second):
                connections[alias].close()

    with ThreadPoolExecutor(2) as threads:
        walks = [threads.submit(walk, ALIAS, OTHER), threads.submit(walk, OTHER, ALIAS)]
        for one in walks:
            one.result()


def test_a_transaction_keeps_its_connection_while_another_database_is_read(url: str, pooled: Callable[..., None]):
    pooled(url, DATABASE_POOL_MAX="1")
    pooled(url, OTHER, DATABASE_POOL_MAX="1")

    with atomic(using=ALIAS):
        pid = ask("SELECT pg_backend_pid() FROM set_config('shop.mark', 'here', true)")
        ask(alias=OTHER)

        assert (ask(), ask("SELECT current_setting('shop.mark')")) == (pid, "here")


def test_a_thread_in_a_transaction_gives_nothing_back_and_goes_nowhere(url: str, pooled: Callable[..., None]):
    pooled(url, DATABASE_POOL_MAX="2")

    with transactions.transaction("orders"), pytest.raises(transactions.TransactionMisuse):
        transactions.go_outside()


def test_the_session_with_its_prepared_statements_survives_in_the_pool(url: str, pooled: Callable[..., None]):
    pooled(url, DATABASE_POOL_MAX="1")
    pid = ask()
    raw = connections[ALIAS].connection
    raw.prepare_threshold = 1 << 30
    psycopg.Cursor(raw).execute("SELECT 1", prepare=True)

    transactions.go_outside()

    assert connections[ALIAS].connection is None
    assert (ask(), ask("SELECT count(*) FROM pg_prepared_statements")) == (pid, 1)


def test_who_goes_on_finds_the_connection_as_it_should_be(url: str, pooled: Callable[..., None]):
    pooled(url, DATABASE_POOL_MAX="1")
    connection = connections[ALIAS]
    connection.ensure_connection()
    left = connection.connection
    transactions.go_outside()
    # As one who closes it in the midst of a transaction leaves it.
    left.autocommit, connection.errors_occurred = False, True

    connection.ensure_connection()

    assert connection.connection is left
    assert (left.autocommit, connection.errors_occurred, connection.in_atomic_block) == (True, False, False)
    with transactions.transaction("orders"), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    assert left.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_a_connection_without_a_pool_is_kept(server: Server, url: str, pooled: Callable[..., None]):
    pooled(url, SHOP_ROLE="worker")
    pid = ask()

    transactions.go_outside()

    assert connections[ALIAS].connection is not None
    assert ask() == pid


def test_only_a_connection_that_was_idle_for_long_is_asked_whether_it_lives(
    url: str, pooled: Callable[..., None], monkeypatch: pytest.MonkeyPatch
):
    asked = []

    def count(connection: Any) -> None:
        asked.append(connection)
        connection.execute("")

    pooled(url, DATABASE_POOL_MAX="1")
    ask()
    monkeypatch.setattr(ConnectionPool, "check_connection", staticmethod(count))
    for _ in range(5):
        transactions.go_outside()
        ask()
    assert asked == []

    monkeypatch.setattr(pools, "FRESH_SECONDS", 0.0)
    transactions.go_outside()
    ask()

    assert len(asked) == 1


def test_sessions_that_the_server_ended_are_noticed_before_they_are_used(
    server: Server, url: str, pooled: Callable[..., None]
):
    pooled(url, DATABASE_POOL_MAX="8")
    together = threading.Barrier(8, timeout=PATIENCE)
    pids: set[int] = set()

    def use() -> None:
        try:
            pids.add(ask())
            together.wait()
        finally:
            finish_request()

    with ThreadPoolExecutor(8) as threads:
        for one in [threads.submit(use) for _ in range(8)]:
            one.result()
        ended = f"pid = ANY(ARRAY{sorted(pids)})"
        server.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ended}")
        while server.execute(f"SELECT pid FROM pg_stat_activity WHERE {ended}"):
            pass

        # As many requests at once as there are dead connections: each gets a live one.
        for one in [threads.submit(use) for _ in range(8)]:
            one.result()


def test_of_the_idle_connections_the_one_that_was_idle_for_longest_is_closed(url: str, pooled: Callable[..., None]):
    pooled(url, DATABASE_POOL_MAX="2")
    ask()
    finish_request()
    pool = wrapper(ALIAS).pool
    first, second = pool.getconn(), pool.getconn()
    pool.putconn(first)
    pool.putconn(second)

    pool._min_size, pool._nconns_min = 1, 1
    pool._shrink_pool()

    assert (first.closed, second.closed) == (True, False)


def test_who_leaves_a_server_leaves_the_idle_sessions_of_the_pool_too(url: str, pooled: Callable[..., None]):
    pooled(url, DATABASE_POOL_MAX="2")
    ask()
    finish_request()
    pool = wrapper(ALIAS).pool
    idle = pool.getconn()
    pool.putconn(idle)
    before = ask()

    wrapper(ALIAS).leave_server()

    assert ask() != before
    assert idle.closed
