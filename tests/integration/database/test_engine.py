"""The engine beside migrations: introspection, flush, sequences, timeouts, roles and the search path."""

import os

import pytest
from django.core import checks
from django.core.management.color import no_style
from django.db import OperationalError, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import operations as op
from psycopg import sql

from config.databases import databases_from_env
from shop.database.schemas import SEARCH_PATH
from tests.integration.database.bench import ALIAS, Bench
from tests.integration.database.server import Server


def test_introspection_finds_tables_of_every_schema(bench: Bench) -> None:
    introspection = bench.connection.introspection
    with bench.connection.cursor() as cursor:
        tables = introspection.table_names(cursor)
        columns = [column.name for column in introspection.get_table_description(cursor, "orders_basket")]
        constraints = introspection.get_constraints(cursor, "orders_line")
        relations = introspection.get_relations(cursor, "orders_line")
        sequences = introspection.get_sequences(cursor, "orders_basket")

    assert {"people_person", "orders_basket", "orders_line", "orders_basket_labels"} <= set(tables)
    assert columns == ["id", "code", "note", "count", "size"]
    assert "line_sku" in constraints
    assert relations == {"basket_id": ("id", "orders_basket")}
    assert sequences == [{"name": "orders_basket_id_seq", "table": "orders_basket", "column": "id"}]


def test_flush_empties_every_schema_and_restarts_sequences(bench: Bench) -> None:
    operations = bench.connection.ops
    tables = ["orders_basket", "orders_line", "orders_label", "orders_basket_labels", "people_person"]

    operations.execute_sql_flush(operations.sql_flush(no_style(), tables, reset_sequences=True))

    basket = bench.model("Basket").objects.using(ALIAS).create(code="again")
    assert basket.pk == 1
    assert bench.model("Line").objects.using(ALIAS).count() == 0


def test_sequence_reset_continues_after_the_highest_id(bench: Bench) -> None:
    basket = bench.model("Basket")
    basket.objects.using(ALIAS).create(pk=41, code="by hand")

    with bench.connection.cursor() as cursor:
        for statement in bench.connection.ops.sequence_reset_sql(no_style(), [basket]):
            cursor.execute(statement)

    assert basket.objects.using(ALIAS).create(code="next").pk == 42


def test_collected_sql_names_the_schema_and_creates_it(connection: BaseDatabaseWrapper) -> None:
    bench = Bench(connection)
    operation = op.CreateModel("Note", [("id", models.BigAutoField(primary_key=True))])
    after = bench.state.clone()
    operation.state_forwards("orders", after)

    with connection.schema_editor(collect_sql=True) as editor:
        operation.database_forwards("orders", editor, bench.state, after)

    assert editor.collected_sql[0] == 'CREATE SCHEMA IF NOT EXISTS "orders";'
    assert editor.collected_sql[1].startswith('CREATE TABLE "orders"."orders_note" (')
    assert bench.relations() == set()


def test_table_lands_in_its_schema_whatever_the_order_of_the_search_path(connection: BaseDatabaseWrapper) -> None:
    bench = Bench(connection)
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA shop; SET search_path = shop, orders, public")

    bench.apply(op.CreateModel("Note", [("id", models.BigAutoField(primary_key=True))]), app="auth")
    bench.apply(op.CreateModel("Note", [("id", models.BigAutoField(primary_key=True))]), app="orders")

    assert {("public", "auth_note"), ("orders", "orders_note")} <= bench.relations()


@pytest.mark.parametrize("atomic", [True, False])
def test_migration_may_run_longer_than_a_statement_of_a_request(connection: BaseDatabaseWrapper, atomic: bool) -> None:
    with connection.schema_editor(atomic=atomic), connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)

    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("15s",)


def test_connection_carries_its_timeouts_and_its_name(connection: BaseDatabaseWrapper) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('application_name'), current_setting('lock_timeout'),"
            " current_setting('idle_in_transaction_session_timeout'), current_setting('search_path')"
        )

        assert cursor.fetchone() == ("shop", "10s", "30s", ",".join(SEARCH_PATH))


def test_statement_that_takes_too_long_is_canceled(
    connection: BaseDatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "options", "-c statement_timeout=50ms")

    with pytest.raises(OperationalError, match="statement timeout"), connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(5)")


def test_queries_are_still_counted_for_prometheus(connection: BaseDatabaseWrapper) -> None:
    from django_prometheus.db import execute_total

    # Opening it runs a query of its own.
    connection.ensure_connection()
    counter = execute_total.labels(ALIAS, "postgresql")
    before = counter._value.get()

    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")

    assert counter._value.get() == before + 1


def test_role_without_search_path_is_refused_with_the_cure(connection: BaseDatabaseWrapper) -> None:
    connection.settings_dict["OPTIONS"]["search_path"] = "role"
    assert (
        "options"
        not in databases_from_env({"DATABASE_URL": "postgres:///x", "DATABASE_SEARCH_PATH": "role"})["default"][
            "OPTIONS"
        ]
    )

    [error] = connection.validation.check()

    assert error.level == checks.ERROR
    assert "ALTER ROLE" in error.hint
    with connection.cursor() as cursor:
        cursor.execute(error.hint.replace("ALTER ROLE", "--").replace(" SET ", "\nSET ").rstrip(";"))
    assert connection.validation.check() == []


def test_role_with_search_path_migrates_without_startup_options(server: Server, make_database, bench_on) -> None:
    database, role = make_database(), "engine_role_" + os.urandom(3).hex()
    server.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'pw'").format(sql.Identifier(role)))
    try:
        path = sql.SQL(", ").join(map(sql.Identifier, SEARCH_PATH))
        server.execute(sql.SQL("ALTER ROLE {} SET search_path = {}").format(sql.Identifier(role), path))
        # What a careful DBA grants: schemas made beforehand, and no right to create others.
        server.execute(sql.SQL("CREATE SCHEMA orders AUTHORIZATION {}").format(sql.Identifier(role)), database)
        bench = bench_on(server.url_of(database, user=f"{role}:pw"), DATABASE_SEARCH_PATH="role")

        bench.apply(op.CreateModel("Note", [("id", models.BigAutoField(primary_key=True))]))

        assert ("orders", "orders_note") in bench.relations()
        assert bench.model("Note").objects.using(ALIAS).create().pk == 1
        bench.connection.close()
    finally:
        server.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)), database)
        server.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def test_pool_serves_web_processes_with_the_search_path(server: Server, make_database, bench_on) -> None:
    bench = bench_on(server.url_of(make_database()), SHOP_ROLE="web", DATABASE_POOL_MAX="2")
    bench.apply(op.CreateModel("Note", [("id", models.BigAutoField(primary_key=True))]))
    bench.connection.close()

    assert bench.model("Note").objects.using(ALIAS).count() == 0
    assert bench.connection.pool.max_size == 2
    bench.connection.close()
    bench.connection.close_pool()


def test_dbshell_sees_the_same_tables(connection: BaseDatabaseWrapper) -> None:
    _arguments, environment = connection.client.settings_to_cmd_args_env(connection.settings_dict, [])

    assert environment["PGOPTIONS"] == f"-c search_path={','.join(SEARCH_PATH)}"


@pytest.fixture
def bench_on(monkeypatch: pytest.MonkeyPatch, django_db_blocker):
    """Return a function that opens the alias on a URL, with further variables of the environment."""

    def open_on(url: str, **environment: str) -> Bench:
        configured = databases_from_env({"DATABASE_URL": url, **environment})
        monkeypatch.setitem(connections.settings, ALIAS, connections.configure_settings(configured)["default"])
        return Bench(connections[ALIAS])

    monkeypatch.setattr("django.db.router.routers", [])
    with django_db_blocker.unblock():
        yield open_on
        connections[ALIAS].close()
    del connections[ALIAS]
