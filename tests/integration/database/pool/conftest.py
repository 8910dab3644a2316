"""A pool of connections to a database of the test's own, and a proxy before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connections

from config import databases
from tests.integration.database.bench import ALIAS
from tests.integration.database.pool.asking import wrapper
from tests.integration.database.server import Server
from tests.proof.processes.proxy import Proxy


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
            wrapper(alias).close_pool()
    for alias in opened:
        del connections[alias]


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    port = urlsplit(server.url).port or 5432
    made = Proxy(lambda: port)
    yield made
    made.close()
