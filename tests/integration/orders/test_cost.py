"""What an order costs the database on its way from POST /orders to 201. These figures may fall; they never rise."""

from __future__ import annotations

from collections import Counter
from typing import Any, Self

import pytest
from django.db import connections

from tests.factories import ProductFactory
from tests.integration.orders.conftest import Shopper

# One line, an existing session, one database; BEGIN, COMMIT and SAVEPOINT are not counted as statements.
COMMITS = 11
STATEMENTS = 45
# Each further line of an order costs nothing more.
PER_LINE = 0


class Meter:
    """Counts the statements of every connection, and the commits of those that wrote."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.statements: list[str] = []
        self.commits = 0
        for connection in connections.all():
            monkeypatch.setattr(connection, "_commit", self._counted(connection._commit))
        self._managers = [connection.execute_wrapper(self._watch) for connection in connections.all()]

    def _counted(self, commit: Any) -> Any:
        def run() -> None:
            self.commits += 1
            commit()

        return run

    def _watch(self, execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        self.statements.append(str(sql))
        # Outside a transaction each write is a commit of its own.
        if not context["connection"].in_atomic_block and str(sql).lstrip().upper().startswith(
            ("INSERT", "UPDATE", "DELETE")
        ):
            self.commits += 1
        return execute(sql, params, many, context)

    def __enter__(self) -> Self:
        for manager in self._managers:
            manager.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        for manager in self._managers:
            manager.__exit__(None, None, None)


def measure(shopper: Shopper, monkeypatch: pytest.MonkeyPatch, **body: Any) -> Meter:
    with monkeypatch.context() as patched, Meter(patched) as meter:
        answer = shopper.place(**body)
    assert (answer.status_code, answer.json()["status"]) == (201, "CONFIRMED")
    return meter


def test_an_order_costs_so_many_commits_and_statements(shopper: Shopper, monkeypatch: pytest.MonkeyPatch):
    shopper.place()

    meter = measure(shopper, monkeypatch)

    listed = "\n".join(f"{count} x {sql[:110]}" for sql, count in Counter(meter.statements).items())
    assert (meter.commits, len(meter.statements)) == (COMMITS, STATEMENTS), listed


def test_further_lines_cost_nothing_more(shopper: Shopper, monkeypatch: pytest.MonkeyPatch):
    skus = [ProductFactory() for _each in range(5)]
    shopper.place()

    meter = measure(shopper, monkeypatch, lines=[{"sku": sku, "quantity": 1} for sku in skus])

    assert len(meter.statements) == STATEMENTS + 4 * PER_LINE
