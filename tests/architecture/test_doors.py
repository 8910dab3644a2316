"""The doors: imports by contract, api.py by inspection; each guard is shown a violation and must see it."""

from __future__ import annotations

import configparser
import dataclasses
import importlib
import inspect
import shutil
import subprocess
import sys
import tomllib
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db.models import Model, QuerySet

from orders.models import Order
from shop.contexts import CONTEXTS

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("config", "local", "shop", *CONTEXTS)


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def lint_with(folder: Path, module: str, line: str) -> subprocess.CompletedProcess[str]:
    """Lint a tree with one line more in it."""
    planted = folder / module
    before = planted.read_text() if planted.exists() else None
    planted.write_text((before or "") + f"\n{line}\n")
    try:
        return lint_imports(folder)
    finally:
        planted.write_text(before) if before is not None else planted.unlink()


def test_imports_keep_to_the_doors():
    result = lint_imports(ROOT)

    assert result.returncode == 0, result.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tree")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "templates"))
    shutil.copy(ROOT / ".importlinter", folder)
    return folder


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("shipping/services/planted.py", "from orders import models"),
        ("notifications/handlers.py", "from orders.services import place_order"),
        ("orders/sagas/steps.py", "from payments.gateways import stripe"),
        ("inventory/models.py", "from inventory import api"),
        ("inventory/queries.py", "from inventory import services"),
        ("orders/rules.py", "import django"),
        ("orders/pricing/price.py", "from django.conf import settings"),
        ("orders/pricing/rules.py", "from shop import clock"),
        ("orders/pricing/basket.py", "from orders import models"),
        ("shop/money.py", "from orders import api"),
        ("local/stripe/ledger.py", "from payments import models"),
        ("payments/gateways/provider.py", "from local import stripe"),
        ("config/settings/production.py", "from local import settings"),
        ("config/celery.py", "from local import rabbitmq"),
        ("orders/utils.py", "VALUE = 1"),
        ("shop/text.py", "from shop import transactions"),
        ("shop/utils.py", "VALUE = 1"),
        ("shop/events/broker.py", "from shop.events import transport"),
    ],
)
def test_a_planted_import_past_a_door_is_caught(copy: Path, module: str, line: str):
    result = lint_with(copy, module, line)

    assert result.returncode == 1, result.stdout
    assert "BROKEN" in result.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("shop/work/background.py", "from shop.events import relay"),
        ("shop/events/subscribers.py", "def late():\n    from shop.events import relay\n"),
        ("shop/transactions.py", "from shop import states"),
        ("shop/rest/problem.py", "from shop.rest import urls"),
        ("payments/services/recording.py", "from payments.services import authorize"),
        ("config/mail.py", "from config.settings import base"),
    ],
)
def test_a_planted_circle_is_caught(copy: Path, module: str, line: str):
    result = lint_with(copy, module, line)

    assert "No circles among the parts of a package BROKEN" in result.stdout


def test_every_context_has_a_door_contract():
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")

    protected = {
        contracts[name]["protected_modules"] for name in contracts.sections() if "protected_modules" in contracts[name]
    }

    assert protected == set(CONTEXTS)


def test_the_one_list_of_contexts_is_that_of_the_apps_and_of_the_tools():
    apps = {app for app in settings.INSTALLED_APPS if (ROOT / app / "api.py").exists()}
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    security = next(line for line in (ROOT / "Makefile").read_text().splitlines() if "/bandit " in line)

    assert apps == set(CONTEXTS)
    assert set(contracts["importlinter"]["root_packages"].split()) >= set(PACKAGES)
    assert set(project["tool"]["mypy"]["packages"]) >= set(PACKAGES)
    assert set(security.partition(" -r ")[2].partition(" -c ")[0].split()) >= set(PACKAGES)


def faults_of_door(api: types.ModuleType) -> list[str]:
    """Name what is wrong with a door: not listed, not documented, positional, or carrying models."""
    faults = []
    if not api.__doc__:
        faults.append("has no docstring")
    listed = list(api.__all__)
    if listed != sorted(listed, key=lambda name: (not name.isupper(), name)):  # as ruff sorts: constants first
        faults.append("__all__ is not sorted")
    for name in listed:
        faults += [f"{name}: {fault}" for fault in _faults_of(getattr(api, name))]
    return faults


def _faults_of(value: object) -> Iterator[str]:
    if inspect.isclass(value):
        if issubclass(value, (Model, QuerySet)):
            yield "is a model"
        if dataclasses.is_dataclass(value) and not value.__dataclass_params__.frozen:  # type: ignore[attr-defined]
            yield "is a dataclass that is not frozen"
        return
    if not callable(value):
        return
    if not value.__doc__:
        yield "has no docstring"
    yield from _faults_of_signature(value)


def _faults_of_signature(function: Callable[..., object]) -> Iterator[str]:
    hints = typing.get_type_hints(function)
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            yield f"takes {parameter.name} by position"
        if parameter.name not in hints:
            yield f"{parameter.name} has no type"
    if "return" not in hints:
        yield "has no return type"
    for name, hint in hints.items():
        if any(inspect.isclass(part) and issubclass(part, (Model, QuerySet)) for part in _parts(hint)):
            yield f"{name} is a model or a queryset"


def _parts(hint: object) -> Iterator[object]:
    yield typing.get_origin(hint) or hint
    for part in typing.get_args(hint):
        yield from _parts(part)


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_door_lists_documented_keyword_only_callables_and_no_models(context: str):
    assert faults_of_door(importlib.import_module(f"{context}.api")) == []


def test_a_planted_fault_in_a_door_is_caught():
    def positional(order_id: int) -> int:
        """Take by position."""
        return order_id

    def gives_a_model(*, order_id: int) -> list[Order]:
        """Give models."""
        return [Order(pk=str(order_id))]

    def untyped(*, order_id):
        """Say nothing."""

    door = types.ModuleType("planted", "A door.")
    door.__dict__.update(positional=positional, gives_a_model=gives_a_model, untyped=untyped, Order=Order)
    door.__all__ = ["Order", "gives_a_model", "positional", "untyped"]  # type: ignore[attr-defined]

    faults = faults_of_door(door)

    assert faults == [
        "Order: is a model",
        "gives_a_model: return is a model or a queryset",
        "positional: takes order_id by position",
        "untyped: order_id has no type",
        "untyped: has no return type",
    ]
