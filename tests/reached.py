"""Which lines of the product the tests reach: a pytest plugin (loaded with `-p tests.reached`), at work where REACHED names a folder.

Each statement of the product notes that it was reached, as it is compiled for the tests. That costs a seventh, where a trace
function makes Python before 3.12 half as slow again. The notes are in memory that forks share, so that what a child does counts
even if it is killed; what the shop does as processes of its own does not. `make uncovered` has coverage.py report them.
"""

from __future__ import annotations

import ast
import mmap
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parents[1]
PRODUCT: Final = ("config", "shop", "orders", "inventory", "payments", "shipping", "notifications")
NOTES: Final = "__reached__"
FOLDER: Final = os.environ.get("REACHED")


class Noting(ast.NodeTransformer):
    """Puts a note of its line before each statement."""

    def __init__(self) -> None:
        self.last = 0

    def visit(self, node: ast.AST) -> ast.AST:
        """Put notes into each list of statements that the node has."""
        self.generic_visit(node)
        for name in ("body", "orelse", "finalbody"):
            statements = getattr(node, name, None)
            if isinstance(statements, list) and statements:
                setattr(node, name, self._noted(node, name, statements))
        return node

    def _noted(self, node: ast.AST, name: str, statements: list[ast.stmt]) -> list[ast.stmt]:
        # Nothing may stand before a docstring and what is imported from the future: their notes come after them.
        first = next((number for number, each in enumerate(statements) if not _stands_first(each)), len(statements))
        found: list[ast.stmt] = [*statements[:first]]
        if name == "body" and isinstance(node, ast.ExceptHandler):
            found += self._note(node.lineno)
        if name == "body" and isinstance(node, ast.match_case):
            found += self._note(node.pattern.lineno)
        for statement in statements[:first]:
            found += self._note(statement.lineno)
        for statement in statements[first:]:
            for line in (statement.lineno, *(each.lineno for each in getattr(statement, "decorator_list", ()))):
                found += self._note(line)
            found.append(statement)
        return found

    def _note(self, line: int) -> list[ast.stmt]:
        self.last = max(self.last, line)
        (note,) = ast.parse(f"{NOTES}[{line}] = 1").body
        for each in ast.walk(note):
            if hasattr(each, "lineno"):
                each.lineno = each.end_lineno = line  # type: ignore[attr-defined]
        return [note]


def _stands_first(statement: ast.stmt) -> bool:
    is_docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return is_docstring or (isinstance(statement, ast.ImportFrom) and statement.module == "__future__")


class Loader(SourceFileLoader):
    """Compiles a module with its notes, and leaves what Python has compiled of it without them alone."""

    notes: mmap.mmap

    def get_code(self, fullname: str) -> CodeType:
        """Compile the module."""
        noting = Noting()
        tree: Any = noting.visit(ast.parse(self.get_data(self.path), self.path))
        self.notes = mmap.mmap(-1, noting.last + 1)
        code: CodeType = compile(tree, self.path, "exec", dont_inherit=True)
        return code

    def exec_module(self, module: ModuleType) -> None:
        """Run the module where its notes are."""
        code = self.get_code(module.__name__)
        setattr(module, NOTES, self.notes)
        finder.loaded.append(self)
        exec(code, module.__dict__)


class Finder:
    """Finds the modules of the product as Python does, and has them loaded with their notes."""

    def __init__(self) -> None:
        self.loaded: list[Loader] = []

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find a module of the product; all others are for whoever is asked next."""
        if name.partition(".")[0] not in PRODUCT:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec and spec.origin and isinstance(spec.loader, SourceFileLoader) and "/migrations/" not in spec.origin:
            spec.loader = Loader(spec.loader.name, spec.loader.path)
        return spec


finder = Finder()
if FOLDER:
    sys.meta_path.insert(0, finder)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Write which lines were reached in this process and in its forks."""
    if not FOLDER:
        return
    from coverage import CoverageData

    folder = ROOT / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    data = CoverageData(basename=str(folder / "data"), suffix=str(os.getpid()))
    lines: dict[str, Any] = {}
    for each in finder.loaded:
        lines.setdefault(each.path, set()).update(n for n, noted in enumerate(each.notes[:]) if noted)
    data.add_lines(lines)
    data.write()
