"""A PostgreSQL of the tests' own, whose power can be cut: what no commit has waited for is lost then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connections
from psycopg import sql

from local.postgres import EmbeddedPostgres
from tests.driver.provider import sandbox
from tests.driver.tables import empty_tables
from tests.proof.power.server import Power

__all__ = ["sandbox"]

SERVER = ("HOST", "PORT", "USER", "PASSWORD")
# The writer of the log would make everything durable within 0.6 s: here a commit that waits does, or nothing.
UNHURRIED = "ALTER SYSTEM SET wal_writer_delay = '10s'"


@pytest.fixture(scope="session")
def cluster(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """Start a server that waits for its disk where it is told to, as in production."""
    made = EmbeddedPostgres(Path(tmp_path_factory.mktemp("power")) / "postgres", durable=True)
    try:
        made.start()
        with psycopg.connect(made.url("postgres"), autocommit=True) as connection:
            connection.execute(UNHURRIED)
            connection.execute("SELECT pg_reload_conf()")
            for name in {connections[alias].settings_dict["NAME"] for alias in connections}:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="session")
def migrated() -> set[str]:
    """Hold the aliases that have their tables on this server."""
    return set()


@pytest.fixture
def power(cluster: EmbeddedPostgres, migrated: set[str], database: None, settings: Any) -> Iterator[Power]:
    """Work on that server, with asynchronous commits."""
    settings.DATABASE_ASYNCHRONOUS_COMMIT = True
    connections.close_all()
    url = psycopg.conninfo.conninfo_to_dict(cluster.url("postgres"))
    there = dict(zip(SERVER, (url["host"], url["port"], url["user"], url["password"]), strict=True))
    here = {alias: {name: connections[alias].settings_dict[name] for name in SERVER} for alias in connections}
    try:
        for alias in connections:
            connections[alias].settings_dict.update(there)
            if alias not in migrated:
                call_command("migrate", database=alias, verbosity=0)
                migrated.add(alias)
        empty_tables()
        yield Power(cluster)
    finally:
        connections.close_all()
        for alias in connections:
            connections[alias].settings_dict.update(here[alias])
