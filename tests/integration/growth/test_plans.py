"""What runs again and again costs the same in a shop with a long past: no statement of it reads a table that grows.

Each statement is explained as it runs, with the plan that PostgreSQL really chose and the rows that it really read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import pytest
from django.contrib import admin
from django.db import connections
from django.test import Client
from django.urls import reverse

from shop import transactions
from shop.accounts.users import User
from shop.admin import searching
from shop.admin.tiles import Dashboard, Tile
from shop.observability import metrics
from shop.statements import Statement
from shop.work.sweeps import sweeps
from tests.driver.factories import OrderBodyFactory, ProductFactory, UserFactory
from tests.driver.provider import Provider, sandbox
from tests.driver.shopper import Shopper
from tests.driver.statements import every_statement
from tests.load.million import seed

__all__ = ["sandbox"]

# Of an old shop, and of a young one: PostgreSQL expects so many rows of what a statement is given (a hundred of a list in JSON, ten of
# an array) that reading a table of thousands seems cheaper to it than asking for each.
ORDERS = {"old": 20_000, "young": 4_000}
# A page of the admin reads 50 rows and counts a thousand; nothing has a reason to read more.
MOST_ROWS = 2_000
GROWS = (
    "orders_",
    "inventory_",
    "payments_",
    "shipping_",
    "notifications_",
    "shop_idem",
    "shop_user",
    "django_session",
)
# Without a broker, or with nothing at the provider.
ASKS_NOTHING = ("sweep shop.collect_dead_letters",)
SEARCHED = ("00000000-0000-7000-8000-0000000000ff", "c7@shop.example", "00000000ff", "SBX-7", "pi_old_7")
EXPLAINED = re.compile(r"\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH)\b", re.IGNORECASE)
PAGES = sorted(admin.site._registry, key=lambda model: model._meta.label)


class Explainer:
    """Notes each statement that read more rows than MOST_ROWS."""

    def __init__(self) -> None:
        self.read_too_much: list[str] = []
        self.explained = 0
        self._busy = False

    def watch(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if not self._busy and not many and EXPLAINED.match(str(sql)):
            self._busy = True
            try:
                self._explain(sql, params, context["connection"])
            finally:
                self._busy = False
        return execute(sql, params, many, context)

    def _explain(self, sql: str, params: Any, connection: Any) -> None:
        with connection.wrap_database_errors, connection.connection.cursor() as cursor:
            cursor.execute("SAVEPOINT explained" if connection.in_atomic_block else "BEGIN")
            try:
                cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}", params)
                plan = cursor.fetchone()[0][0]["Plan"]
            finally:
                cursor.execute("ROLLBACK TO SAVEPOINT explained" if connection.in_atomic_block else "ROLLBACK")
        self.explained += 1
        for node, read in rows_read(plan):
            if read > MOST_ROWS:
                self.read_too_much.append(f"{node['Node Type']} of {node.get('Relation Name')} reads {read:.0f}: {sql}")


def rows_read(node: dict[str, Any]) -> Iterator[tuple[dict[str, Any], float]]:
    """Yield each node that reads a table or an index, with the rows that it took or passed over."""
    if "Relation Name" in node or "Index Name" in node:
        passed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
        yield node, (node["Actual Rows"] + passed) * node["Actual Loops"]
    for inner in node.get("Plans", ()):
        yield from rows_read(inner)


@contextmanager
def explaining() -> Iterator[Explainer]:
    explainer = Explainer()
    with ExitStack() as stack:
        for alias in connections:
            stack.enter_context(connections[alias].execute_wrapper(explainer.watch))
        yield explainer


@pytest.fixture(params=ORDERS)
def past(request: pytest.FixtureRequest, database: None) -> Iterator[int]:
    orders = ORDERS[request.param]
    seed(orders)
    yield orders
    for alias in connections:
        with connections[alias].cursor() as cursor:
            # What follows deletes row by row.
            cursor.execute("SET lock_timeout = '60s'")
            for table in connections[alias].introspection.table_names(cursor):
                if table.startswith(GROWS):
                    cursor.execute(f"TRUNCATE {table} CASCADE")


@pytest.fixture
def small_past(database: None) -> None:
    seed(300)


@pytest.fixture
def staff(past: int) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("staff@shop.example", "not-a-secret-1"))
    return client


def opened(staff: Client, page: str, term: str = "") -> str:
    answer = staff.get(page, {"q": term} if term else {})
    assert answer.status_code == 200
    return answer.content.decode()


def figures_of(tile: Tile) -> list[object]:
    return list(tile.figures())


def what_runs(staff: Client) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield everything that is done again and again."""
    yield "the admin's home", partial(opened, staff, reverse("admin:index"))
    for gauge in metrics.gauges():
        yield f"gauge {gauge.context} {gauge.name}", gauge.read
    for tile in Dashboard.tiles.values():
        yield f"tile {tile.context} {tile.title}", partial(figures_of, tile)
    for sweep in sweeps():
        yield f"sweep {sweep.name}", sweep.run
    for model in PAGES:
        page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        yield f"page {model._meta.label}", partial(opened, staff, page)
        for term in SEARCHED if admin.site._registry[model].search_fields else ():
            yield f"search {model._meta.label} for {term}", partial(opened, staff, page, term)


def test_nothing_that_runs_again_and_again_reads_a_table_that_grows(past: int, staff: Client, sandbox: Provider):
    with explaining() as scan, connections[transactions.alias_for("orders")].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM orders_outbox WHERE type = %s", ["nothing"])
    assert scan.read_too_much == [
        f"Seq Scan of orders_outbox reads {past}: SELECT count(*) FROM orders_outbox WHERE type = %s"
    ]

    found = []
    for name, run in what_runs(staff):
        with explaining() as explainer:
            run()
        assert explainer.explained or name in ASKS_NOTHING, name
        found += [f"{name}: {line}" for line in explainer.read_too_much]

    assert not found, "\n".join(found)


def test_customer_with_many_orders_places_and_reads_as_any_other(
    past: int, sandbox: Provider, drain: Callable[[], None]
):
    ProductFactory(sku="MUG", stock=10)
    shopper = Shopper(UserFactory())
    with connections[transactions.alias_for("orders")].cursor() as cursor:
        cursor.execute("UPDATE orders_order SET customer_id = %s WHERE id::text LIKE '%%e'", [shopper.user.pk])
        cursor.execute("ANALYZE orders_order")
    shopper.place()

    with explaining() as explainer:
        placed = shopper.place()
        order = shopper.get(f"orders/{placed.json()['id']}")
        page = shopper.get("orders")
        drain()

    assert (placed.status_code, order.status_code, page.status_code) == (201, 200, 200)
    assert len(page.json()["results"]) == 20
    assert explainer.explained > 20
    assert not explainer.read_too_much, "\n".join(explainer.read_too_much)


def test_no_statement_is_planned_to_read_a_table_that_grows(past: int):
    """Each text in SQL there is, as sessions plan it that have used it a few times: for any values."""
    found = [
        f"{statement.name} reads {node['Relation Name']}"
        for statement in every_statement()
        for node in nodes_of(planned(statement))
        if node["Node Type"] == "Seq Scan" and node["Relation Name"].startswith(GROWS)
        if rows_of(statement.context, node["Relation Name"]) > MOST_ROWS
    ]

    assert found == []


def planned(statement: Statement) -> dict[str, Any]:
    """Return the plan of a statement for any values of its parameters."""
    names: dict[str, int] = {}
    text = re.sub(r"%\((\w+)\)s", lambda found: f"${names.setdefault(found[1], len(names) + 1)}", statement.text)
    values = f" ({', '.join(['NULL'] * len(names))})" if names else ""
    with connections[transactions.alias_for(statement.context)].cursor() as cursor:
        cursor.execute("SET plan_cache_mode = force_generic_plan")
        cursor.execute(f"PREPARE of_test AS {text.replace('%%', '%')}")
        cursor.execute(f"EXPLAIN (FORMAT JSON) EXECUTE of_test{values}")
        plan: dict[str, Any] = cursor.fetchone()[0][0]["Plan"]
        cursor.execute("DEALLOCATE of_test")
        cursor.execute("RESET plan_cache_mode")
    return plan


def nodes_of(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for inner in node.get("Plans", ()):
        yield from nodes_of(inner)


def rows_of(context: str, table: str) -> int:
    with connections[transactions.alias_for(context)].cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        count: int = cursor.fetchone()[0]
    return count


def test_what_is_held_without_a_payment_is_found_by_index(past: int, sandbox: Provider):
    """An explained statement does not show what a function of the database reads; the counters of the tables do."""
    ProductFactory(sku="MUG", stock=10)
    shopper = Shopper(UserFactory())
    body: dict[str, Any] = OrderBodyFactory()
    del body["payment_method"]

    with rows_read_of("orders_order", "orders_orderline") as read:
        statuses = [shopper.post("orders", body).status_code for _each in range(3)]

    assert statuses == [201, 201, 201]
    assert 0 < read["orders_order"] < MOST_ROWS
    assert read["orders_orderline"] < MOST_ROWS


@contextmanager
def rows_read_of(*tables: str) -> Iterator[dict[str, int]]:
    """Count the rows that this thread's connection to orders reads of tables, in whole or by index."""
    read = dict.fromkeys(tables, 0)
    alias = transactions.alias_for("orders")

    def count() -> dict[str, int]:
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT relname, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables"
                " WHERE relname = ANY(%s)",
                [list(tables)],
            )
            return dict(cursor.fetchall())

    before = count()
    yield read
    after = count()
    read.update({table: after[table] - before[table] for table in tables})


@pytest.mark.parametrize(
    ("page", "term", "found"),
    [
        ("orders_order", "00000000ff", "00000000FF"),
        ("orders_order", "00000000-0000-7000-8000-0000000000ff", "00000000FF"),
        ("orders_order", "00000000-0000-7000-9000-000000000019", "00000000FF"),
        ("orders_order", "C25@Shop.example", "00000000FF"),
        ("orders_saga", "00000000FF", "checkout"),
        ("shipping_shipment", "SBX-255", "T255"),
        ("payments_payment", "pi_old_255", "00000000-0000-7000-8000-0000000000ff"),
        ("inventory_stockmovement", "00000000-0000-7000-8000-0000000000ff", "OLD-255"),
        ("orders_inbox", "00000000-0000-7000-8004-0000000000ff", "an.event"),
        ("shop_user", "C25@", "c25@shop.example"),
    ],
)
def test_search_finds_what_is_named_whole(small_past: None, page: str, term: str, found: str):
    client = Client()
    client.force_login(User.objects.create_superuser("staff@shop.example", "not-a-secret-1"))

    rows = opened(client, reverse(f"admin:{page}_changelist"), term).partition("result_list")[2]

    assert found in rows
    assert found not in opened(client, reverse(f"admin:{page}_changelist"), "x" + term).partition("result_list")[2]


def test_list_counts_and_pages_up_to_a_bound(small_past: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(searching, "MOST", 100)
    client = Client()
    client.force_login(User.objects.create_superuser("staff@shop.example", "not-a-secret-1"))

    page = client.get(reverse("admin:orders_order_changelist"))

    assert page.context["cl"].result_count == 100
    assert page.context["cl"].paginator.num_pages == 2
