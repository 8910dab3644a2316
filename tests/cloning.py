"""The test databases: migrated once in a run, and copied for each of its workers.

The first worker of pytest-xdist that needs them migrates databases named like a worker's without its suffix; each worker
works in copies of these. A copy takes a tenth of a second, the migrations three, and with a database per context eight.
A run of a mutant's tests copies what CLONED_FROM names.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test.utils import setup_databases, teardown_databases

VARIABLE = "CLONED_FROM"
# Any number that nothing else on the server takes.
LOCK = 7_214_907_331
Made = list[tuple[Any, str, bool]]


@contextmanager
def databases(worker: str, run: str) -> Iterator[None]:
    """Make the test databases of this process, and drop them; `worker` is "master" without pytest-xdist."""
    alone = worker == "master"
    if source := os.environ.get(VARIABLE):
        made = cloned({"default": source})
    else:
        made = migrated() if alone else cloned_in_turn(worker, run)
    yield
    teardown_databases(made, verbosity=0)
    if not alone:
        drop_sources(worker, run)


def migrated() -> Made:
    """Make the databases by the migrations. Returns what `teardown_databases` takes, as `cloned` does."""
    every: Any = set(connections)
    return setup_databases(verbosity=0, interactive=False, aliases=every, serialized_aliases=set())


def cloned(sources: Mapping[str, str]) -> Made:
    """Make the database of each alias, named as Django names it, as a copy of the one that `sources` has for it."""
    made: Made = []
    clones: set[tuple[object, ...]] = set()
    for alias in connections:
        connection = connections[alias]
        signature, name = connection.creation.test_db_signature(), connection.settings_dict["NAME"]
        own = test_name(connection)
        if signature not in clones:
            order(connection, "DROP DATABASE IF EXISTS {}", own)
            order(connection, "CREATE DATABASE {} TEMPLATE {}", own, sources[alias])
        made.append((connection, name, signature not in clones))
        clones.add(signature)
        use(connection, own)
    return made


def cloned_in_turn(worker: str, run: str) -> Made:
    """Make the databases of this worker of pytest-xdist; the first of its run makes those that all of them copy."""
    sources = {alias: test_name(connections[alias]).removesuffix(f"_{worker}") for alias in connections}
    with _alone():
        if any(_made_by(connections[alias], source) != run for alias, source in sources.items()):
            _make_sources(sources, run)
        return cloned(sources)


def _make_sources(sources: Mapping[str, str], run: str) -> None:
    """Migrate the databases that are copied, and note whose they are once all is done: nobody takes half of one."""
    own = {alias: connections[alias].settings_dict["TEST"]["NAME"] for alias in sources}
    for alias, source in sources.items():
        connections[alias].settings_dict["TEST"]["NAME"] = source
    made = migrated()
    connections.close_all()
    for connection, name, _is_first in made:
        use(connection, name)
    for alias, source in sources.items():
        connections[alias].settings_dict["TEST"]["NAME"] = own[alias]
        order(connections[alias], f"COMMENT ON DATABASE {{}} IS '{run}'", source)


def drop_sources(worker: str, run: str) -> None:
    """Drop what was copied, if it is this run's: the copies are whole by themselves, and who comes late makes it anew."""
    with _alone():
        for alias in connections:
            source = test_name(connections[alias]).removesuffix(f"_{worker}")
            if _made_by(connections[alias], source) == run:
                order(connections[alias], "DROP DATABASE IF EXISTS {}", source)


def test_name(connection: BaseDatabaseWrapper) -> str:
    name: str = connection.creation._get_test_db_name()  # type: ignore[attr-defined]  # Django's stubs leave it out
    return name


def use(connection: BaseDatabaseWrapper, name: str) -> None:
    """Lead a connection to another database, as Django leads it to a test database and back."""
    connection.close()
    settings.DATABASES[connection.alias]["NAME"] = name
    connection.settings_dict["NAME"] = name


def order(connection: BaseDatabaseWrapper, statement: str, *names: str) -> None:
    """Have the server do something with databases, from outside of them."""
    with connection._nodb_cursor() as cursor:
        cursor.execute(statement.format(*map(connection.ops.quote_name, names)))


def _made_by(connection: BaseDatabaseWrapper, name: str) -> str | None:
    """Return the run that made a database which is whole; None where there is none."""
    with connection._nodb_cursor() as cursor:
        cursor.execute("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [name])
        found = cursor.fetchone()
    return found[0] if found else None


@contextmanager
def _alone() -> Iterator[None]:
    """Let no other worker make databases meanwhile."""
    with connections["default"]._nodb_cursor() as cursor:
        # However long a slow machine migrates.
        cursor.execute("SET lock_timeout = 0; SET statement_timeout = 0")
        cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        yield
