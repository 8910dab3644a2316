"""A database of its own for each test of the engine, on the server that DATABASE_URL names."""

import os
import secrets
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import operations as op
from psycopg import sql

from config.databases import databases_from_env
from tests.integration.database.bench import ALIAS, Bench
from tests.integration.database.server import Server


@pytest.fixture(scope="session")
def server() -> Server:
    return Server(os.environ["DATABASE_URL"])


@pytest.fixture
def make_database(server: Server) -> Iterator:
    made: list[str] = []

    def make() -> str:
        made.append(f"engine_{secrets.token_hex(4)}")
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(made[-1])))
        return made[-1]

    yield make

    for name in server.execute("SELECT datname FROM pg_database WHERE NOT datistemplate"):
        if any(name[0] in (own, f"test_{own}") or name[0].startswith(f"test_{own}_") for own in made):
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name[0])))


@pytest.fixture
def database() -> None:
    """Stand in for the project's fixture of this name: these tests use none of its tables."""


@pytest.fixture
def connection(
    make_database, server: Server, monkeypatch: pytest.MonkeyPatch, django_db_blocker
) -> Iterator[BaseDatabaseWrapper]:
    """An alias of its own, on an empty database, with every app's migrations allowed on it."""
    configured = databases_from_env({"DATABASE_URL": server.url_of(make_database())})
    monkeypatch.setitem(connections.settings, ALIAS, connections.configure_settings(configured)["default"])
    monkeypatch.setitem(connections.settings[ALIAS]["TEST"], "NAME", None)
    monkeypatch.setattr("django.db.router.routers", [])
    assert settings.configured
    with django_db_blocker.unblock():
        yield connections[ALIAS]
        connections[ALIAS].close()
    del connections[ALIAS]


@pytest.fixture
def bench(connection: BaseDatabaseWrapper) -> Bench:
    """A person in public; a basket with lines and labels in the schema of orders, and one row of each."""
    bench = Bench(connection)
    bench.apply(
        op.CreateModel(
            "Person", [("id", models.BigAutoField(primary_key=True)), ("name", models.CharField(max_length=9))]
        ),
        app="people",
    )
    bench.apply(
        op.CreateModel(
            "Label",
            [("id", models.BigAutoField(primary_key=True)), ("name", models.CharField(max_length=9, unique=True))],
        ),
        op.CreateModel(
            "Basket",
            [
                ("id", models.AutoField(primary_key=True)),
                ("code", models.CharField(max_length=9, unique=True)),
                ("note", models.CharField(max_length=9, db_index=True, default="", db_comment="for the packer")),
                ("count", models.IntegerField(default=1)),
                ("size", models.PositiveIntegerField(null=True)),
                ("labels", models.ManyToManyField("orders.Label")),
            ],
            options={"indexes": [models.Index(fields=["count"], name="basket_count")], "db_table_comment": "A basket"},
        ),
        op.AddConstraint("Basket", models.CheckConstraint(condition=models.Q(count__gte=0), name="basket_count_floor")),
        op.CreateModel(
            "Line",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("basket", models.ForeignKey("orders.Basket", models.CASCADE)),
                ("sku", models.CharField(max_length=9)),
            ],
            options={"unique_together": {("basket", "sku")}},
        ),
        op.AddIndex("Line", models.Index(fields=["sku", "basket"], name="line_sku")),
    )
    basket = bench.model("Basket").objects.using(ALIAS).create(code="b", note="n")
    basket.labels.add(bench.model("Label").objects.using(ALIAS).create(name="l"))
    bench.model("Line").objects.using(ALIAS).create(basket=basket, sku="s")
    return bench
