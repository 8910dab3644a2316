"""Types that several threads convert to at their first use."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PRODUCT = ("config", "shop", "orders", "inventory", "payments", "shipping", "notifications")
# In a process of its own, which dies of it where two threads meet in the description of a type.
MEET = """
import sys, threading
from dataclasses import dataclass
import msgspec
from msgspec import _utils
from shop.conversion import convert
{kind}
class Line{base}:
    sku: str
{kind}
class Body{base}:
    lines: list[Line]
describe = _utils._get_class_mro_and_typevar_mappings
found = []
def ask():
    found.append(convert({{"lines": [{{"sku": "MUG"}}]}}, Body, strict=True))
second = threading.Thread(target=ask)
def describe_in_company(described):
    if described is Line and second.ident is None:
        second.start()
        second.join(1)
    return describe(described)
_utils._get_class_mro_and_typevar_mappings = describe_in_company
ask()
second.join()
print(second.ident is not None, [body.lines[0].sku for body in found])
"""


@pytest.mark.parametrize(("kind", "base"), [("", "(msgspec.Struct)"), ("@dataclass", "")], ids=["struct", "dataclass"])
def test_threads_that_meet_at_the_first_use_of_a_type_both_get_their_data(kind: str, base: str):
    done = subprocess.run(
        [sys.executable, "-c", MEET.format(kind=kind, base=base)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "True ['MUG', 'MUG']\n", "")


# Of plain types alone, which msgspec describes without looking into a class.
PLAIN = {("orders/services/held_unpaid.py", "msgspec.json.decode as list[tuple[uuid.UUID, str, str]]")}
ITS_OWN = {
    ("shop/conversion.py", "msgspec.convert as wanted"),
    ("shop/conversion.py", "msgspec.json.Decoder as wanted"),
}
# The place of the type among the arguments of what reads data as one.
TYPED = {"convert": 1, "decode": 1, "Decoder": 0}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def conversions(source: str) -> set[str]:
    """Return what functions have msgspec read as a type, and what is imported under a name that hides it.

    A module's own decoder describes its type while one thread imports the module.
    """
    nodes = list(ast.walk(ast.parse(source)))
    inside = [node for function in nodes if isinstance(function, FUNCTIONS) for node in ast.walk(function)]
    return {_typed(node) for node in inside if isinstance(node, ast.Call)} - {""} | {
        f"from {node.module} import {alias.name}"
        for node in nodes
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "msgspec"
        for alias in node.names
        if alias.name in {*TYPED, "json", "msgpack"}
    }


def _typed(call: ast.Call) -> str:
    name = ast.unparse(call.func)
    place = TYPED.get(name.rpartition(".")[2])
    if place is None or not name.startswith("msgspec."):
        return ""
    types = [*call.args[place:][:1], *(keyword.value for keyword in call.keywords if keyword.arg == "type")]
    return f"{name} as {ast.unparse(types[0])}" if types else ""


def test_nobody_converts_without_it():
    found = {
        (str(path.relative_to(ROOT)), each)
        for folder in PRODUCT
        for path in (ROOT / folder).rglob("*.py")
        for each in conversions(path.read_text())
    }

    assert found == PLAIN | ITS_OWN


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("msgspec.convert(data, Body)", "msgspec.convert as Body"),
        ("msgspec.convert(data, type=Body, strict=True)", "msgspec.convert as Body"),
        ("msgspec.json.decode(data, type=list[Body])", "msgspec.json.decode as list[Body]"),
        ("msgspec.json.Decoder(Body)", "msgspec.json.Decoder as Body"),
        ("from msgspec.json import decode", "from msgspec.json import decode"),
    ],
)
def test_a_planted_conversion_is_seen(line: str, seen: str):
    assert conversions(f"def read(data):\n    {line}\n") == {seen}


@pytest.mark.parametrize("line", ["msgspec.json.decode(data)", "msgspec.json.Decoder()", "convert(data, Body)"])
def test_what_reads_no_type_of_ours_or_reads_it_safely_is_let_be(line: str):
    assert conversions(f"READ = msgspec.json.Decoder(Body).decode\ndef read(data):\n    {line}\n") == set()
