"""A pool whose database is away, hangs or is cut off is healed soon."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from django.db import OperationalError, connections

from config import databases
from tests.driver.stopwatch import Stopwatch
from tests.integration.database.bench import ALIAS
from tests.integration.database.pool.asking import AS_DEPLOYED, ask, behind, finish_request, seconds_until_it_answers
from tests.proof.processes.proxy import Proxy


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
