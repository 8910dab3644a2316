"""Who waits for a connection of an exhausted pool: for how long, and in which order."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import OperationalError, connections
from psycopg_pool import PoolTimeout

from shop import transactions
from shop.database import pool as pools
from shop.resilience.apart import Apart
from tests.integration.database.bench import ALIAS
from tests.integration.database.pool.asking import AS_DEPLOYED, PATIENCE, ask, finish_request, wrapper


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
        while not wrapper(ALIAS).pool._waiting and not going_on.done():
            pass
        with pytest.raises(OperationalError):
            connections[ALIAS].copy().ensure_connection()
        assert not going_on.done()
        finish_request()
        assert going_on.result() == "went on"


def test_who_is_in_the_midst_of_work_comes_before_who_begins_and_each_in_order(url: str, pooled: Callable[..., None]):
    pooled(url, DATABASE_POOL_MAX="1", DATABASE_POOL_WAIT_SECONDS="20")
    pool = wrapper(ALIAS).pool
    served: list[str] = []
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
    pool = wrapper(ALIAS).pool
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
    pool = wrapper(ALIAS).pool
    served: list[str] = []
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
    assert wrapper(ALIAS)._goes_on

    connections[ALIAS].close_if_unusable_or_obsolete()

    assert not wrapper(ALIAS)._goes_on


def test_what_is_asked_apart_is_answered_while_the_pool_is_exhausted_and_keeps_its_own_session(
    url: str, pooled: Callable[..., None]
):
    pooled(url, DATABASE_POOL_MAX="1", **AS_DEPLOYED)
    taken = ask()
    apart, asked = Apart("probe"), wrapper(ALIAS).pool.get_stats()["requests_num"]

    first, second = (apart.ask(ask, within=PATIENCE) for _twice in range(2))

    assert first == second != taken
    assert wrapper(ALIAS).pool.get_stats()["requests_num"] == asked
    apart.ask(finish_request, within=PATIENCE)
