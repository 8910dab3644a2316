"""A copy of the tree in which one file at a time is made a mutant, and its tests run by a process of their own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql

from tests import cloning
from tests.proof.mutants import warm
from tests.proof.mutants.mutant import Mutant

ROOT = Path(__file__).resolve().parents[3]
TESTS_FAILED = 1
TIMEOUT_SECONDS = 300
# What would have the copy's tests run elsewhere than in their plain profile, or think that they are this run's.
NOT_INHERITED = re.compile(
    r"PYTEST_|REACHED$|PROVE$|SEED$|TEST_DATABASES$|\w+_DATABASE_URL$|BROKER_URL$|DJANGO_SETTINGS_MODULE$"
)
# A mutant that dies of these was not even run: it says nothing about the tests.
BROKEN = re.compile(
    r"^E +(?:\w*SyntaxError|IndentationError|NameError|ImportError|ModuleNotFoundError)\b.*", re.MULTILINE
)
# Only what the tests of mutants use: importing every plugin there is would take longer than these tests.
PLUGINS = ("pytest_django.plugin", "pytest_timeout", "xdist.plugin", "no:cacheprovider")
OPTIONS = ["-x", "-q", *(part for plugin in PLUGINS for part in ("-p", plugin)), "-o", "timeout=120"]


@dataclass(frozen=True)
class Outcome:
    """How the tests of a mutant ended."""

    exit_code: int
    output: str
    seconds: float

    @property
    def is_killed(self) -> bool:
        """Say whether a test failed: an error of its fixtures, or a file that cannot be collected, counts for nothing.

        An exception that ended a thread of the product counts; pytest may report it at the end of the test, as an error.
        """
        noticed = r"^(?:FAILED |ERROR .*PytestUnhandledThreadExceptionWarning)"
        return self.exit_code == TESTS_FAILED and re.search(noticed, self.output, re.MULTILINE) is not None

    @property
    def broken(self) -> str:
        """Say what of the mutant's own text does not work, "" if all does."""
        found = BROKEN.search(self.output)
        return found[0] if found else ""


class Copy:
    """The files that git does not ignore, as they are now, in a folder of their own, with a process that runs their tests."""

    def __init__(self, folder: Path, *, name: str) -> None:
        self._tree = folder / "tree"
        self._output = folder / "output.txt"
        self._server = os.environ["DATABASE_URL"].rpartition("/")[0]
        self._template, self._database = f"mutants_template_{name}", f"mutants_{name}"

    def __enter__(self) -> Self:
        """Copy, make the tables once, and start the process."""
        git = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                (self._tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, self._tree / name)
        self._make_template()
        self._process = subprocess.Popen(
            [sys.executable, "-u", self._tree / Path(warm.__file__).relative_to(ROOT)],
            cwd=self._tree,
            env=self._environment(self._database),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the process, and leave nothing in the database's server."""
        self._process.communicate()
        self._drop_template()

    @contextlib.contextmanager
    def mutated(self, mutant: Mutant) -> Iterator[None]:
        """Take the safeguard out, and put it back. Raises: StaleMutant."""
        file = self._tree / mutant.file
        original = file.read_text()
        self._write(file, mutant.applied_to(original))
        try:
            yield
        finally:
            self._write(file, original)

    def run(self, tests: Sequence[str], *, makes_tables: bool = False, seconds: float = TIMEOUT_SECONDS) -> Outcome:
        """Run these tests until one fails; `makes_tables`: by the migrations as they now are."""
        environment = {} if makes_tables else {cloning.VARIABLE: self._template}
        request = {"arguments": [*OPTIONS, *tests], "environment": environment, "output": str(self._output)}
        began = time.monotonic()
        timer = threading.Timer(seconds, lambda: os.killpg(self._process.pid, 9))
        timer.start()
        try:
            print(json.dumps(request), file=self._process.stdin, flush=True)
            answer = self._process.stdout.readline()
        finally:
            timer.cancel()
        assert answer, f"the run did not end within {seconds:.0f} s:\n{self._output.read_text()[-2000:]}"
        return Outcome(int(answer), self._output.read_text(errors="replace"), time.monotonic() - began)

    def _write(self, file: Path, text: str) -> None:
        """Write a file, and forget what Python compiled of it: by size and second it may pass for the new text's."""
        file.write_text(text)
        Path(cache_from_source(str(file))).unlink(missing_ok=True)

    def _environment(self, database: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not NOT_INHERITED.match(name)}
        return kept | {
            "DATABASE_URL": f"{self._server}/{database}",
            "DJANGO_SETTINGS_MODULE": "config.settings.test",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }

    def _make_template(self) -> None:
        self._drop_template()
        self._order("CREATE DATABASE {}")
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity=0"],
            cwd=self._tree,
            env=self._environment(self._template),
            check=True,
        )

    def _drop_template(self) -> None:
        self._order("DROP DATABASE IF EXISTS {}")

    def _order(self, statement: str) -> None:
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(self._template)))
