"""What every test stands on: real commits in a real database, emptied in between, and guards on the SQL as it runs.

Tests under tests/unit/ touch no database unless they ask for the `database` fixture; all others have it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.db import connections
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.test import client
from pytest_django import DjangoDbBlocker

from orders.pricing.rules import NO_RULES
from orders.queries import RULES
from shipping.queries import OPTIONS
from shop.rest.chains import TwoChains
from tests import cloning, contract, layouts, patience
from tests.driver.sessions import await_no_other_session, close_interrupted_sessions
from tests.driver.tables import empty_tables
from tests.sql_guard import SqlGuard, housekeeping

UNIT = Path(__file__).parent / "unit"


class ClientHandler(TwoChains, client.ClientHandler):
    """The handler of a test's client, with the chains of middleware that production has."""

    def get_response(self, request: HttpRequest) -> HttpResponseBase:
        """Answer as production does, and note what docs/openapi.yaml does not say of the answer."""
        response = super().get_response(request)
        contract.judge(request, response)
        return response


client.ClientHandler = ClientHandler  # type: ignore[misc]
patience.extend()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give a database to every test that is not a unit test."""
    for item in items:
        assert isinstance(item, pytest.Function)
        if UNIT not in item.path.parents and "database" not in item.fixturenames:
            item.fixturenames.insert(0, "database")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Keep pytest-django's suffix per xdist worker."""


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None,
    django_db_blocker: DjangoDbBlocker,
    django_db_modify_db_settings: None,
    worker_id: str,
    testrun_uid: str,
) -> Iterator[None]:
    """Create every test database once; pytest-django creates only those that tests name by its own mark."""
    with ExitStack() as made:
        with django_db_blocker.unblock():
            made.enter_context(cloning.databases(worker_id, testrun_uid))
        yield
        with django_db_blocker.unblock():
            end_other_sessions()
            made.close()


def end_other_sessions() -> None:
    """Wait until nobody else is in the test databases: the session of a process that was killed outlives it a little."""
    connections.close_all()
    for alias in connections:
        with connections[alias].cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        connections[alias].close()


@pytest.fixture
def database(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Open the databases with every table empty; real transactions, visible to other connections and processes."""
    with django_db_blocker.unblock():
        with housekeeping():
            close_interrupted_sessions()
            empty_tables()
        RULES.put(NO_RULES)
        OPTIONS.put(())
        yield
        for connection in connections.all(initialized_only=True):
            assert not connection.in_atomic_block, "the test left a transaction open"
        with housekeeping():
            await_no_other_session("the test left sessions open: a thread closes its connections, a process ends")


@pytest.fixture(autouse=True)
def sql_guard(request: pytest.FixtureRequest) -> Iterator[SqlGuard]:
    """Fail the test whose SQL crosses contexts: one statement naming two, or one transaction writing to two."""
    with SqlGuard() as guard:
        request.node.stash[layouts.CHANGED_THROUGH] = guard.changed_through
        yield guard
    assert not guard.violations, "\n".join(guard.violations)


@pytest.fixture(autouse=True)
def described_answers() -> Iterator[None]:
    """Fail the test that gets an answer which docs/openapi.yaml does not describe."""
    contract.noted.clear()
    yield
    assert not contract.noted, "\n".join(contract.noted)


@pytest.fixture
def long_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have minutes pass between two attempts instead of seconds: what waits for its next one is not due by chance."""
    from shop import models
    from shop.events import relay
    from shop.resilience.retry import backoff_seconds
    from shop.work import rows

    for module in (models, relay, rows):
        monkeypatch.setattr(module, "backoff_seconds", lambda attempt, **how: 400 * backoff_seconds(attempt, **how))


@pytest.fixture
def drain(database: None) -> Callable[[], None]:
    """Return a function that delivers every event and runs every sweep until nothing moves any more."""
    from shop.events import relay
    from tests.driver.sweeps import order_sweeps

    def run() -> None:
        for _round in range(50):
            moved = relay.drain_all() + sum(sweep.run() for sweep in order_sweeps())
            if not moved:
                return
        raise AssertionError("50 rounds of events and sweeps did not come to rest")

    return run
