"""The pool of a web process: few connections for many threads, none held while the outside is waited for, healed soon."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import OperationalError, connections
from django.db.transaction import atomic
from psycopg_pool import ConnectionPool, PoolTimeout

from config import databases
from config.db.postgresql import pool as pools
from shop import transactions
from tests.driver.stopwatch import Stopwatch
from tests.integration.database.bench import ALIAS
from tests.integration.database.server import Server
from tests.proof.processes.proxy import Proxy

PATIENCE = 60
# How long a request waits for a connection where nothing else is set.
AS_DEPLOYED = {"DATABASE_POOL_WAIT_SECONDS": ""}
OTHER = f"{ALIAS}_other"


@pytest.fixture
def url(server: Server, make_database: Callable[[], str]) -> str:
    return server.url_of(make_database())


@pytest.fixture
def pooled(monkeypatch: pytest.MonkeyPatch, django_db_blocker: Any) -> Iterator[Callable[..., None]]:
    """Return a function that gives an alias a pool on a URL, with further variables of the environment."""
    opened: set[str] = set()

    def open_on(url: str, alias: str = ALIAS, **environment: str) -> None:
        profile = {"DATABASE_URL": url, "SHOP_ROLE": "web", "DATABASE_POOL_WAIT_SECONDS": "30", **environment}
        configured = databases.databases_from_env(profile)
        monkeypatch.setitem(connections.settings, alias, connections.configure_settings(configured)["default"])
        opened.add(alias)

    with django_db_blocker.unblock():
        yield open_on
        for alias in opened:
            connections[alias].close()
            connections[alias].close_pool()
    for alias in opened:
        del connections[alias]


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    port = urlsplit(server.url).port or 5432
    made = Proxy(lambda: port)
    yield made
    made.close()


def behind(proxy: Proxy, url: str) -> str:
    parts = urlsplit(url)
    location = f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{proxy.port}"
    return parts._replace(netloc=location).geturl()


def ask(sql: str = "SELECT pg_backend_pid()", alias: str = ALIAS) -> Any:
    with connections[alias].cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def finish_request() -> None:
    connections[ALIAS].close()


def seconds_until_it_answers(*, within: float) -> float:
    until = time.monotonic() + within
    with Stopwatch() as watch:
        while time.monotonic() < until:
            try:
                ask()
            except OperationalError:
                finish_request()
            else:
                return watch.seconds
    pytest.fail(f"no answer within {within} s")


class Counter:
    """Counts, from a connection of its own, how many connections a database has; keeps the most it saw."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        self.most = 0

    def look(self) -> None:
        found = self._connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        ).fetchone()
        assert found is not None
        self.most = max(self.most, found[0])

    def close(self) -> None:
        self._connection.close()


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


def test_an_exhausted_pool_is_waited_for_one_second_at_most(url: str, pooled: Callable[..., None]):
    pooled(url, DATABASE_POOL_MAX="1", **AS_DEPLOYED)
    ask()

    with ThreadPoolExecutor(1) as threads, pytest.raises(OperationalError, match=r"after 1\.00 sec"):
        threads.submit(ask).result()


def test_who_is_in_the_midst_of_work_waits_longer_than_who_begins(url: str, pooled: Callable[..., None]):
    pooled(url, DATABASE_POOL_MAX="1", **AS_DEPLOYED)
    taken, outside = threading.Event(), threading.Event()

    def go_on() -> Any:
        ask()
        transactions.go_outside()
        outside.set()
        assert taken.wait(PATIENCE)
        try:
            return ask("SELECT 'went on'")
        finally:
            finish_request()

    with ThreadPoolExecutor(1) as threads:
        going_on = threads.submit(go_on)
        assert outside.wait(PATIENCE)
        ask()
        taken.set()
        with pytest.raises(OperationalError):
            connections[ALIAS].copy().ensure_connection()
        assert not going_on.done()
        finish_request()
        assert going_on.result() == "went on"


def test_who_is_in_the_midst_of_work_comes_before_who_begins_and_each_in_order(url: str, pooled: Callable[..., None]):
    pooled(url, DATABASE_POOL_MAX="1", DATABASE_POOL_WAIT_SECONDS="20")
    pool, served = connections[ALIAS].pool, []
    pool.open()
    taken = pool.getconn()

    def come(name: str) -> None:
        connection = pool.getconn_to_go_on() if name.startswith("going on") else pool.getconn()
        served.append(name)
        pool.putconn(connection)

    names = ["begins 1", "going on 1", "begins 2", "going on 2"]
    with ThreadPoolExecutor(4) as threads:
        for waiting, name in enumerate(names, start=1):
            threads.submit(come, name)
            while len(pool._waiting) < waiting:
                pass
        pool.putconn(taken)

    assert served == ["going on 1", "going on 2", "begins 1", "begins 2"]


def test_who_gave_up_waiting_leaves_nothing_behind(url: str, pooled: Callable[..., None]):
    pooled(url, DATABASE_POOL_MAX="1", DATABASE_POOL_WAIT_SECONDS="20")
    pool = connections[ALIAS].pool
    pool.open()
    taken = pool.getconn()
    gc.disable()

    def give_up() -> weakref.ref[threading.Event]:
        request = threading.Event()
        try:
            pool.getconn(0.1)
        except PoolTimeout:
            return weakref.ref(request)
        pytest.fail("there was a connection")

    try:
        requests = [give_up() for _request in range(3)]

        assert [request() for request in requests] == [None] * 3
        assert not pool._waiting
    finally:
        gc.enable()
        pool.putconn(taken)


def test_who_gives_up_takes_nobodys_turn(url: str, pooled: Callable[..., None]):
    pooled(url, DATABASE_POOL_MAX="1", DATABASE_POOL_WAIT_SECONDS="20")
    pool, served = connections[ALIAS].pool, []
    pool.open()
    taken = pool.getconn()

    def come(name: str, getconn: Callable[[], Any]) -> None:
        connection = getconn()
        served.append(name)
        pool.putconn(connection)

    def give_up() -> None:
        with pytest.raises(PoolTimeout):
            pool.getconn_to_go_on()

    ways = [("gave up", None), ("begins", pool.getconn), ("goes on", pool.getconn_to_go_on)]
    with pytest.MonkeyPatch.context() as patience, ThreadPoolExecutor(3) as threads:
        for waiting, (name, getconn) in enumerate(ways):
            patience.setattr(pools, "GOES_ON_SECONDS", PATIENCE if getconn else 0.5)
            coming = threads.submit(come, name, getconn) if getconn else threads.submit(give_up)
            if getconn is None:
                coming.result()
            while len(pool._waiting) < waiting:
                pass
        pool.putconn(taken)

    assert served == ["goes on", "begins"]


def test_the_next_request_of_the_thread_begins_anew(url: str, pooled: Callable[..., None]):
    pooled(url, DATABASE_POOL_MAX="1")
    ask()
    transactions.go_outside()
    assert connections[ALIAS]._goes_on

    connections[ALIAS].close_if_unusable_or_obsolete()

    assert not connections[ALIAS]._goes_on


def test_after_an_outage_the_pool_is_back_within_seconds(url: str, proxy: Proxy, pooled: Callable[..., None]):
    pooled(behind(proxy, url), DATABASE_POOL_MAX="4", **AS_DEPLOYED)
    ask()
    finish_request()

    proxy.refuse()
    until = time.monotonic() + 17
    while time.monotonic() < until:
        with Stopwatch() as watch, pytest.raises(OperationalError):
            ask()
        finish_request()
        assert watch.seconds < 2
    proxy.heal()

    # psycopg's own default waits twice as long after each failure: 1, 2, 4, 8 and then 16 s.
    assert seconds_until_it_answers(within=60) < 8


def test_a_database_that_hangs_is_given_up_and_found_again(
    url: str, proxy: Proxy, pooled: Callable[..., None], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(databases, "ANSWER_GRACE_SECONDS", 0)
    pooled(behind(proxy, url), DATABASE_POOL_MAX="2", DATABASE_STATEMENT_TIMEOUT_SECONDS="1", **AS_DEPLOYED)
    ask()

    proxy.freeze()
    with pytest.raises(OperationalError, match="did not answer for 1 s"):
        ask()
    finish_request()
    proxy.thaw()

    assert seconds_until_it_answers(within=60) < 8


def test_a_network_that_acknowledges_nothing_ends_the_connection(url: str, pooled: Callable[..., None]):
    pooled(url, DATABASE_POOL_MAX="1", DATABASE_TCP_USER_TIMEOUT_SECONDS="7")
    ask()

    assert connections[ALIAS].connection.info.get_parameters()["tcp_user_timeout"] == "7000"
