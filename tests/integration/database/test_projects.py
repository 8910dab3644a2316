"""A whole small project on the engine, through Django's own commands: migrate, test databases, an alias per context."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from local.postgres import PROJECT_ROOT
from tests.integration.database.server import Server

SETTINGS = """
import os
from config.databases import databases_from_env
SECRET_KEY = "x"
USE_TZ = True
DATABASES = databases_from_env(os.environ)
DATABASE_ROUTERS = ["shop.database.router.ContextRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
    "sample.orders", "sample.inventory", "sample.shop",
]
"""
MODELS = """
from django.db import models

class Tag(models.Model):
    name = models.CharField(max_length=9, unique=True)

class Thing(models.Model):
    name = models.CharField(max_length=9)
    tags = models.ManyToManyField(Tag)
"""
TESTS = """
from django.db import connection
from django.test import TestCase, TransactionTestCase
from sample.orders.models import Tag

class A(TestCase):
    databases = "__all__"
    def test_rows_of_a_test_are_rolled_back(self):
        assert Tag.objects.count() == 0
        Tag.objects.create(name="a")

class B(TransactionTestCase):
    databases = "__all__"
    reset_sequences = True
    def test_flush_between_tests(self):
        assert Tag.objects.create(name="a").pk == 1
    def test_flush_between_tests_again(self):
        assert Tag.objects.create(name="a").pk == 1
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def project(tmp_path: Path) -> Run:
    """Write the project, and return a function that runs one of its commands."""
    (tmp_path / "sample").mkdir()
    (tmp_path / "sample" / "__init__.py").touch()
    (tmp_path / "sample" / "settings.py").write_text(SETTINGS)
    for app in ("orders", "inventory", "shop"):
        package = tmp_path / "sample" / app
        (package / "migrations").mkdir(parents=True)
        (package / "migrations" / "__init__.py").touch()
        (package / "__init__.py").touch()
        (package / "models.py").write_text(MODELS)
    (tmp_path / "sample" / "orders" / "tests.py").write_text(TESTS)

    def run(*arguments: str, status: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "django", *arguments],
            cwd=tmp_path,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": f"{tmp_path}:{PROJECT_ROOT}",
                "DJANGO_SETTINGS_MODULE": "sample.settings",
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done

    return run


def tables(server: Server, database: str) -> set[str]:
    return {
        f"{schema}.{name}"
        for schema, name in server.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')",
            database,
        )
    }


def test_one_database_holds_a_schema_per_context(project: Run, server: Server, make_database) -> None:
    database = make_database()
    here = {"DATABASE_URL": server.url_of(database)}

    project("makemigrations", **here)
    project("migrate", **here)

    found = tables(server, database)
    assert {"orders.orders_tag", "orders.orders_thing", "orders.orders_thing_tags"} <= found
    assert {"inventory.inventory_thing_tags", "shop.shop_thing"} <= found
    assert {"public.auth_user", "public.django_migrations", "public.django_session"} <= found
    project("makemigrations", "--check", **here)
    project("migrate", "--check", **here)
    project("migrate", "orders", "zero", **here)
    assert not [name for name in tables(server, database) if name.startswith("orders.")]
    project("migrate", **here)


def test_alias_of_a_context_holds_its_tables_and_no_others(project: Run, server: Server, make_database) -> None:
    default, own = make_database(), make_database()
    here = {"DATABASE_URL": server.url_of(default), "INVENTORY_DATABASE_URL": server.url_of(own)}
    project("makemigrations", **here)

    project("migrate", **here)
    project("migrate", "--database=inventory", **here)

    assert tables(server, own) == {
        "public.django_migrations",
        "inventory.inventory_tag",
        "inventory.inventory_thing",
        "inventory.inventory_thing_tags",
    }
    assert not [name for name in tables(server, default) if name.startswith("inventory.")]
    project("makemigrations", "--check", **here)
    project("migrate", "--check", "--database=inventory", **here)


@pytest.mark.parametrize("aliases", [1, 2])
def test_test_databases_are_made_flushed_and_cloned(project: Run, server: Server, make_database, aliases: int) -> None:
    here = {"DATABASE_URL": server.url_of(make_database())}
    if aliases == 2:
        here["ORDERS_DATABASE_URL"] = server.url_of(make_database())
    project("makemigrations", **here)

    done = project("test", "sample", "--parallel=2", "--noinput", "-v2", **here)

    assert "Cloning test database for alias 'default'" in done.stderr
    assert "Ran 3 tests" in done.stderr


def test_migrate_refuses_a_role_that_would_not_see_the_tables(project: Run, server: Server, make_database) -> None:
    here = {"DATABASE_URL": server.url_of(make_database()), "DATABASE_SEARCH_PATH": "role"}
    project("makemigrations", DATABASE_URL=here["DATABASE_URL"])

    refused = project("migrate", status=1, **here)

    assert "shop.E001" in refused.stderr
    assert "ALTER ROLE" in refused.stderr
