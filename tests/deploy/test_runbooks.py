"""What the runbooks and the other documents tell somebody to type is a command of this release, with options it knows."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from tests.deploy.files import ROOT

DOCUMENTS = sorted([*ROOT.glob("docs/runbooks/*.md"), *ROOT.glob("docs/*.md"), ROOT / "README.md"])
TYPED = re.compile(r"`python manage\.py ([^`]+)`")
# What stands for a value; `show CONTEXT ID` is typed with both.
VALUES = {"ORDER_ID": "018f0000-0000-7000-8000-000000000001", "CONTEXT": "orders", "ID": "1", "N": "1"}


def typed() -> list[tuple[str, str]]:
    return [(path.name, " ".join(found.split())) for path in DOCUMENTS for found in TYPED.findall(path.read_text())]


@pytest.mark.parametrize(("document", "line"), typed())
def test_a_command_in_a_document_can_be_typed_as_it_stands(document: str, line: str):
    name, *arguments = [VALUES.get(word, word) for word in shlex.split(line)]
    commands = get_commands()
    assert name in commands, f"{document}: there is no command {name}"
    app = commands[name]
    parser = load_command_class(app, name).create_parser("manage.py", name) if isinstance(app, str) else None

    assert parser is not None
    if arguments:
        parser.parse_args(arguments)


def test_no_runbook_names_a_command_that_is_none():
    wrong = [
        f"{path.name}: {found}"
        for path in DOCUMENTS
        for found in re.findall(r"`manage [a-z_]+[^`]*`", path.read_text())
    ]

    assert wrong == []
    assert len(typed()) > 20


def test_any_python_finds_the_commands_of_a_checkout(tmp_path: Path):
    own = ROOT / ".venv" / "bin" / "python"
    if not own.exists():
        pytest.skip("no .venv here")
    bare = subprocess.run(
        [sys.executable, "-I", "-S", "manage.py", "help", "explain_order"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "DATABASE_URL": "postgresql://shop:x@127.0.0.1:1/shop"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert bare.returncode == 0, bare.stderr
    assert "the order's number" in bare.stdout
