"""A command whose database is away says so in one line; whatever else fails keeps its traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import OperationalError

from config import command_line

ROOT = Path(__file__).resolve().parents[3]
NOWHERE = "postgresql://shop:secret-word@127.0.0.1:1/shop"


def run(*arguments: str, url: str = NOWHERE) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DATABASE_URL": url, "BROKER_URL": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )


@pytest.mark.parametrize(("command", "code"), [("audit", 3), ("release_expired_reservations", 1)])
def test_a_command_says_in_one_line_that_its_database_is_away(command: str, code: int):
    ended = run(command)

    assert ended.returncode == code
    (line,) = ended.stderr.splitlines()
    assert line.startswith("The database 'default' cannot be reached: ")
    assert "DATABASE_URL" in line
    assert "secret-word" not in line


def test_the_traceback_is_there_for_who_asks():
    assert "Traceback" in run("audit", "--traceback").stderr


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("failure", [OperationalError("deadlock detected"), KeyError("a bug")])
def test_a_command_that_fails_at_a_database_that_answers_keeps_its_traceback(
    failure: Exception, monkeypatch: pytest.MonkeyPatch
):
    def fail(_arguments: list[str]) -> None:
        raise failure

    monkeypatch.setattr(command_line, "execute_from_command_line", fail)

    with pytest.raises(type(failure)):
        command_line.main(["manage.py", "audit"])
