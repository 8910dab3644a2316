"""Types that several threads convert to at their first use."""

from __future__ import annotations

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


def test_nobody_converts_without_it():
    users = {
        str(path.relative_to(ROOT))
        for folder in PRODUCT
        for path in (ROOT / folder).rglob("*.py")
        if "msgspec.convert(" in path.read_text()
    }

    assert users == {"shop/conversion.py"}
