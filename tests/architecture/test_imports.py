"""What lint-imports cannot see: imports that open more than they name, and code that is found by a string."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from shop.contexts import CONTEXTS

ROOT = Path(__file__).resolve().parents[2]
OWNERS = ("config", "shop", *CONTEXTS)
# What finds code or a model by its name.
FINDERS = {"import_string", "import_module", "__import__", "get_model", "get_models", "all_models"}
# Who may, and why.
FINDS = {
    "shop/rest/chains.py": "the settings name the middleware",
    "orders/gateways.py": "the settings name the tax service",
    "payments/gateways/__init__.py": "the settings name the provider",
    "shipping/gateways/__init__.py": "the settings name the carriers",
    "shipping/gateways/rates.py": "the settings name the rate service",
    "shop/admin/bus.py": "each context's tables of the bus have pages",
    "shop/audit/bus.py": "which contexts publish is told by their tables",
    "shop/events/inbox.py": "each context has an inbox of its own",
    "shop/events/outbox.py": "each context has an outbox of its own",
    "shop/events/past.py": "each context has a history of its own",
    "shop/events/transport.py": "the settings name the transport",
}


def faults_of_imports(owner: str, source: str) -> list[str]:
    """Name the imports of another context that bind it whole; in config, which names contexts in strings only, any.

    `import orders.api` binds `orders`, and so opens `orders.models`.
    """
    return [
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        for module, is_whole in _imported(node)
        if module.partition(".")[0] in set(CONTEXTS) - {owner} and (is_whole or owner == "config")
    ]


def _imported(node: ast.AST) -> Iterator[tuple[str, bool]]:
    """Yield each module that a statement imports, and whether it binds the whole package."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name, alias.asname is None or "." not in alias.name
    elif isinstance(node, ast.ImportFrom) and not node.level:
        yield node.module or "", False


def finders(source: str) -> set[str]:
    """Return what the source uses to find code or models by name."""
    named = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Attribute):
            named.add(node.attr)
        elif isinstance(node, ast.Name):
            named.add(node.id)
    return named & FINDERS


def others_models(owner: str, source: str) -> list[str]:
    """Name what a migration finds by name, except models of its own context or of a library, and its own migrations."""
    others = set(CONTEXTS) - {owner}
    return [
        ast.unparse(call)
        for call in ast.walk(ast.parse(source))
        if isinstance(call, ast.Call)
        and (name := ast.unparse(call.func).rpartition(".")[2]) in FINDERS
        and not (name == "get_model" and _label(call) and _label(call) not in others)
        and not (name == "import_module" and _named(call).startswith(f"{owner}.migrations."))
    ]


def _label(call: ast.Call) -> str:
    """Return the app that a call names first, "" where a variable does."""
    return _named(call).partition(".")[0]


def _named(call: ast.Call) -> str:
    """Return what a call names first, "" where a variable does."""
    named = call.args[0] if call.args else None
    return str(named.value) if isinstance(named, ast.Constant) else ""


def sources(*, migrations: bool) -> Iterator[tuple[str, str, str]]:
    for owner in OWNERS:
        for path in (ROOT / owner).rglob("*.py"):
            if ("migrations" in path.parts) is migrations:
                yield owner, str(path.relative_to(ROOT)), path.read_text()


def test_no_import_binds_another_context_whole():
    assert {
        path: faults
        for migrations in (False, True)
        for owner, path, source in sources(migrations=migrations)
        if (faults := faults_of_imports(owner, source))
    } == {}


def test_only_those_who_need_to_find_code_by_its_name():
    assert {path for _owner, path, source in sources(migrations=False) if finders(source)} == FINDS.keys()


def test_a_migration_finds_models_of_its_own_context_only():
    assert {
        path: faults for owner, path, source in sources(migrations=True) if (faults := others_models(owner, source))
    } == {}


def test_nothing_is_imported_from_a_conftest():
    line = re.compile(r"^\s*(?:from|import)\b.*\bconftest\b.*", re.MULTILINE)
    assert {
        str(path.relative_to(ROOT)): found
        for path in (ROOT / "tests").rglob("*.py")
        if (found := line.findall(path.read_text()))
    } == {}


@pytest.mark.parametrize(
    ("owner", "line"),
    [
        ("shipping", "import orders.api"),
        ("shipping", "import orders"),
        ("shipping", "import orders as other"),
        ("shop", "def late():\n    import orders.events"),
        ("config", "import orders.api as orders"),
        ("config", "from orders import models"),
        ("config", "from orders.models import Order"),
    ],
)
def test_a_planted_import_is_seen(owner: str, line: str):
    assert len(faults_of_imports(owner, line)) == 1


@pytest.mark.parametrize(
    ("owner", "line"),
    [
        ("shipping", "from orders import api"),
        ("shipping", "from orders.api import get_order"),
        ("shipping", "import orders.api as orders"),
        ("orders", "import orders.models"),
        ("config", "import shop.ids"),
    ],
)
def test_an_import_by_the_door_is_let_be(owner: str, line: str):
    assert faults_of_imports(owner, line) == []


@pytest.mark.parametrize(
    "line",
    [
        "from django.utils.module_loading import import_string as load",
        "module_loading.import_string('orders.models.Order')",
        "from importlib import import_module",
        "importlib.import_module('orders.models')",
        "__import__('orders.models')",
        "apps.get_model('orders', 'Order')",
        "apps.get_app_config('orders').get_model('Order')",
        "apps.all_models['orders']",
    ],
)
def test_a_planted_search_by_name_is_seen(line: str):
    assert len(finders(line)) == 1


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("apps.get_model('orders', 'Order')", True),
        ("apps.get_model('orders.Order')", True),
        ("apps.get_model(context, 'Order')", True),
        ("import_string('orders.models.Order')", True),
        ("apps.get_model('shipping', 'Shipment')", False),
        ("apps.get_model('account', 'EmailAddress')", False),
        ("import_module('orders.migrations.0001_initial')", True),
        ("import_module('shipping.migrations.0001_initial')", False),
    ],
)
def test_a_planted_search_in_a_migration_is_seen(line: str, seen: bool):
    assert bool(others_models("shipping", line)) is seen
