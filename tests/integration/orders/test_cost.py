"""What an order costs the database on its way from POST /orders to 201. These figures may fall; they never rise."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, Self

import pytest
from django.db import connections

from tests.driver.factories import ProductFactory
from tests.driver.shopper import Shopper
from tests.sql_guard import WRITES

# By context: statements, and commits that wrote. One line, an existing session, one database; BEGIN, COMMIT and
# SAVEPOINT are not counted as statements.
COSTS = {
    "shop": (2, 1),
    "orders": (3, 3),
    "inventory": (3, 2),
    "payments": (3, 3),
}
# Each further line of an order costs nothing more.
PER_LINE = 0
# Where a statement belongs to: the first context whose table or function it names, else inventory's own limits.
NAMED = re.compile(r"\b(orders|inventory|payments|shipping|notifications|shop|django)_\w+")


class Meter:
    """Counts the statements of every connection, and the commits of those that wrote."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.statements: list[str] = []
        self.written: Counter[str] = Counter()
        self._writes: list[str] = []
        for connection in connections.all():
            ours: Any = connection
            monkeypatch.setattr(ours, "_commit", self._counted(ours._commit))
        self._managers = [connection.execute_wrapper(self._watch) for connection in connections.all()]

    def _counted(self, commit: Any) -> Any:
        def run() -> None:
            self.written.update(self._writes[:1])
            self._writes.clear()
            commit()

        return run

    def _watch(self, execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        self.statements.append(str(sql))
        if WRITES.search(str(sql)):
            # Outside a transaction each write is a commit of its own.
            if context["connection"].in_atomic_block:
                self._writes.append(context_of(sql))
            else:
                self.written[context_of(sql)] += 1
        return execute(sql, params, many, context)

    @property
    def costs(self) -> dict[str, tuple[int, int]]:
        """Return how many statements and commits each context took."""
        ran = Counter(map(context_of, self.statements))
        return {context: (count, self.written[context]) for context, count in ran.items()}

    def __enter__(self) -> Self:
        for manager in self._managers:
            manager.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        for manager in self._managers:
            manager.__exit__(None, None, None)


def context_of(sql: str) -> str:
    found = NAMED.search(str(sql))
    return "inventory" if found is None else found[1].replace("django", "shop")


def measure(shopper: Shopper, monkeypatch: pytest.MonkeyPatch, **body: Any) -> Meter:
    with monkeypatch.context() as patched, Meter(patched) as meter:
        answer = shopper.place(**body)
    assert (answer.status_code, answer.json()["status"]) == (201, "CONFIRMED")
    return meter


def test_an_order_costs_so_many_commits_and_statements(shopper: Shopper, monkeypatch: pytest.MonkeyPatch):
    shopper.place()

    meter = measure(shopper, monkeypatch)

    listed = "\n".join(f"{context_of(sql)}: {sql[:150]}" for sql in meter.statements)
    assert meter.costs == COSTS, listed


def test_further_lines_cost_nothing_more(shopper: Shopper, monkeypatch: pytest.MonkeyPatch):
    skus = [ProductFactory() for _each in range(5)]
    shopper.place()

    meter = measure(shopper, monkeypatch, lines=[{"sku": sku, "quantity": 1} for sku in skus])

    assert len(meter.statements) == sum(statements for statements, _commits in COSTS.values()) + 4 * PER_LINE
