"""Who asks a pooled database, and how many connections that takes."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import OperationalError, connections

from shop.database.base import DatabaseWrapper
from tests.driver.stopwatch import Stopwatch
from tests.integration.database.bench import ALIAS
from tests.proof.processes.proxy import Proxy

PATIENCE = 60
# How long a request waits for a connection where nothing else is set.
AS_DEPLOYED = {"DATABASE_POOL_WAIT_SECONDS": ""}
OTHER = f"{ALIAS}_other"


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


def wrapper(alias: str) -> DatabaseWrapper:
    """Return this thread's connection, as our engine makes it."""
    found = connections[alias]
    assert isinstance(found, DatabaseWrapper)
    return found
