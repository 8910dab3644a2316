"""docs/audit.md lists every check that there is and every column of every table: what is added joins the list."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps

from orders.queries import SAID_BY_ALL, SAID_BY_SOME
from shop import audit
from shop.contexts import CONTEXTS

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "audit.md").read_text()
NOT_JUDGED = "not judged: "
# What the list says of all members at once.
SAID = {"SaidByAll": SAID_BY_ALL, "SaidBySome": SAID_BY_SOME}


def lines_of(section: str, columns: int) -> list[tuple[str, ...]]:
    text = PAGE.partition(f"## {section}\n")[2].partition("\n## ")[0]
    rows = [
        tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in text.splitlines() if line[:1] == "|"
    ]
    assert all(len(row) == columns for row in rows), [row for row in rows if len(row) != columns]
    return rows[2:]


def listed_checks() -> set[tuple[str, str, str]]:
    listed = set()
    for promise, by, title, _forbids in lines_of("The checks", 4):
        contexts = CONTEXTS if by == "each context" else [name.strip() for name in by.split(",")]
        listed |= {(promise, context, title) for context in contexts}
    return listed


def test_the_list_names_each_check_of_the_code_and_no_other():
    made = {(check.promise, check.context, check.title) for check in audit.checks()}

    assert made - listed_checks() == set(), "these checks are not in docs/audit.md"
    assert listed_checks() - made == set(), "docs/audit.md names checks that do not exist"


def test_every_promise_has_a_check():
    assert {promise for promise, _context, _title in listed_checks()} == {f"I{number}" for number in range(1, 14)}


def columns_of(context: str) -> set[tuple[str, str]]:
    return {
        (model._meta.db_table, str(field.column))
        for model in apps.get_app_config(context).get_models()
        for field in model._meta.concrete_fields
    }


def named(table: str, name: str) -> Iterator[str]:
    """Yield the column that a name in the list means, or those of the table that the members of a class are."""
    if name not in SAID:
        yield name
    yield from (member for member in SAID.get(name, ()) if (table, member) in columns_of("orders"))


def judged() -> dict[tuple[str, str], str]:
    """Return what is said of each column, by table and column."""
    said: dict[tuple[str, str], str] = {}
    for table, columns, judgment in lines_of("The tables", 3):
        name = table.strip("`")
        for column in [column for each in re.findall(r"`(\w+)`", columns) for column in named(name, each)]:
            for each in [name.replace("*", context) for context in CONTEXTS] if "*" in name else [name]:
                assert (each, column) not in said, f"{each}.{column} stands there twice"
                said[each, column] = judgment
    return said


@pytest.mark.parametrize("context", [*CONTEXTS, "shop"])
def test_the_list_has_each_column_of_each_table(context: str):
    columns = columns_of(context)
    listed = {name for name in judged() if name[0].startswith(f"{context}_")}

    assert columns - listed == set(), (
        "add these columns to docs/audit.md, each with the check that judges it, or why none does"
    )
    assert {table for table, _column in listed - columns} <= {f"{context}_inbox"}, sorted(listed - columns)


def test_each_judgment_is_a_check_or_a_reason():
    titles = {title for _promise, _context, title in listed_checks()}
    of_names = "named by every other check; unique by constraint"
    for name, judgment in judged().items():
        if judgment.startswith(NOT_JUDGED) or judgment == of_names:
            continue
        left = judgment
        for title in sorted(titles, key=len, reverse=True):
            left = left.replace(title, "")
        assert not left.strip("; "), f"{name}: {left!r} is no check"


def test_the_proof_names_for_each_promise_a_test_and_one_of_its_checks():
    proof = (ROOT / "docs" / "proof.md").read_text()
    rows = re.findall(r"^\| (I\d+) \| \[[\w.]+\]\(\.\./([\w./]+)\)[^|]* \| ([^|]+) \|$", proof, re.MULTILINE)

    assert [promise for promise, _test, _title in rows] == [f"I{number}" for number in range(1, 14)]
    assert [test for _promise, test, _title in rows if not (ROOT / test).is_file()] == []
    assert {(promise, title) for promise, _test, title in rows} <= {
        (promise, title) for promise, _context, title in listed_checks()
    }
