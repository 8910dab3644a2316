"""A line counts as reached if it was, and no other one: in the process, in a thread, and in a child that was killed."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests import reached

MODULE = '''"""What a product's module may hold."""

from __future__ import annotations

import functools


@functools.cache
def choose(number: int) -> str:
    """Choose."""
    if number > 2:
        return "many"
    elif number:
        return "some"
    return "none"


class Kept:
    """Kept."""

    kept = 1

    def leave(self) -> None:
        try:
            self.away
        except AttributeError:
            match self.kept:
                case 1:
                    self.kept = 2
                case _:
                    self.kept = 3
        finally:
            self.left = True
'''


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, reached.Loader]]:
    (tmp_path / "noted.py").write_text(MODULE)
    monkeypatch.setattr(reached, "PRODUCT", ("noted",))
    monkeypatch.syspath_prepend(tmp_path)
    finder = reached.Finder()
    monkeypatch.setattr(reached, "finder", finder)
    monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])
    import noted  # type: ignore[import-not-found]

    module: ModuleType = noted
    yield module, finder.loaded[0]
    del sys.modules["noted"]


def lines(loader: reached.Loader) -> set[int]:
    return {number for number, noted in enumerate(loader.notes[:]) if noted}


ON_IMPORT = {1, 3, 5, 8, 9, 18, 19, 21, 23}


def test_import_reaches_what_a_module_does_as_it_is_loaded(loaded: tuple[Any, reached.Loader]):
    _module, loader = loaded

    assert lines(loader) == ON_IMPORT


def test_a_branch_counts_that_was_taken(loaded: tuple[Any, reached.Loader]):
    module, loader = loaded

    assert module.choose(1) == "some"

    assert lines(loader) - ON_IMPORT == {10, 11, 13, 14}


def test_handlers_cases_and_what_comes_finally_count_where_they_ran(loaded: tuple[Any, reached.Loader]):
    module, loader = loaded

    module.Kept().leave()

    assert lines(loader) - ON_IMPORT == {24, 25, 26, 27, 28, 29, 33}


def test_what_a_child_reached_counts_though_it_is_killed(loaded: tuple[Any, reached.Loader]):
    module, loader = loaded

    with warnings.catch_warnings():
        # Since 3.12 Python warns of forks beside threads (xdist's); the child uses no lock of theirs.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        module.choose(0)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)

    assert lines(loader) - ON_IMPORT == {10, 11, 13, 15}


def test_nothing_that_python_keeps_of_a_module_has_notes(loaded: tuple[Any, reached.Loader]):
    module, _loader = loaded

    assert not list(Path(module.__file__).parent.rglob("*.pyc"))
