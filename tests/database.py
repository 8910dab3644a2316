"""A pytest plugin that has PostgreSQL running before Django's settings are read (loaded with `-p tests.database`).

DATABASE_URL names a server to use; without it a throw-away one is started from the wheel. TEST_DATABASES=five gives
every context a database of its own.
"""

from __future__ import annotations

import os

import pytest

from local.postgres import EmbeddedPostgres
from shop.contexts import CONTEXTS


def _start() -> EmbeddedPostgres | None:
    if os.environ.get("DATABASE_URL"):
        return None
    server = EmbeddedPostgres(durable=False)
    server.start()
    os.environ["DATABASE_URL"] = server.url("postgres")
    return server


def _name_five_databases() -> None:
    if os.environ.get("TEST_DATABASES", "one") == "five":
        base = os.environ["DATABASE_URL"].rpartition("/")[0]
        for context in CONTEXTS:
            os.environ.setdefault(f"{context.upper()}_DATABASE_URL", f"{base}/shop_{context}")


_server = _start()
_name_five_databases()


def pytest_report_header() -> str:
    """Say which profile this run tests."""
    where = "embedded, started for this run" if _server else "the one that DATABASE_URL names"
    databases = "one per context" if os.environ.get("TEST_DATABASES") == "five" else "one"
    return f"PostgreSQL: {where}; databases: {databases}; broker: {os.environ.get('BROKER_URL', 'none named')}"


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Stop the server that this run started."""
    if _server is not None:
        _server.stop()
