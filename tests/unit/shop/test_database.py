from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connections

from shop.contexts import CONTEXTS
from shop.database.router import ContextRouter
from shop.database.schemas import SEARCH_PATH, schema_of

ROUTER = ContextRouter()


def model(app_label: str) -> Any:
    return SimpleNamespace(_meta=SimpleNamespace(app_label=app_label))


@pytest.fixture(autouse=True)
def inventory_has_its_own_database(monkeypatch: pytest.MonkeyPatch) -> None:
    default = connections.settings["default"]
    for context in CONTEXTS:
        monkeypatch.delitem(connections.settings, context, raising=False)
    monkeypatch.setitem(connections.settings, "inventory", default)
    monkeypatch.setitem(connections.settings, "auth", default)


@pytest.mark.parametrize(
    ("app", "alias"), [("inventory", "inventory"), ("orders", "default"), ("shop", "default"), ("auth", "default")]
)
def test_app_is_read_and_written_where_it_lives(app: str, alias: str) -> None:
    assert ROUTER.db_for_read(model(app)) == alias
    assert ROUTER.db_for_write(model(app)) == alias


@pytest.mark.parametrize(
    ("database", "app", "allowed"),
    [
        ("default", "orders", True),
        ("default", "auth", True),
        ("default", "shop", True),
        ("default", "inventory", False),
        ("inventory", "inventory", True),
        ("inventory", "orders", False),
        ("inventory", "auth", False),
        ("inventory", "shop", False),
        ("elsewhere", "orders", False),
    ],
)
def test_app_migrates_on_its_own_alias_only(database: str, app: str, *, allowed: bool) -> None:
    assert ROUTER.allow_migrate(database, app, model_name="x") is allowed


@pytest.mark.parametrize(
    ("one", "other", "allowed"),
    [
        ("orders", "orders", True),
        ("auth", "contenttypes", True),
        ("shop", "auth", True),
        ("orders", "payments", False),
        ("orders", "auth", False),
        ("auth", "orders", False),
        ("orders", "shop", False),
    ],
)
def test_relations_stay_inside_one_context(one: str, other: str, *, allowed: bool) -> None:
    assert ROUTER.allow_relation(model(one), model(other)) is allowed


def test_contexts_and_kernel_own_a_schema_and_others_live_in_public() -> None:
    assert {app: schema_of(app) for app in ("orders", "shop", "auth", "migrations")} == {
        "orders": "orders",
        "shop": "shop",
        "auth": "public",
        "migrations": "public",
    }
    assert set(SEARCH_PATH) == {*CONTEXTS, "shop", "public"}
