"""Reads the transition tables out of a Promela model: every assignment of a status variable, with its guard.

No parser of Promela: it knows blocks, options, guards and assignments, and refuses an assignment whose own atomic block
does not ask for the status that it replaces, which in the code would be a write without compare-and-set.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

TOKEN = re.compile(r"::|->|==|!=|&&|\|\||\w+|\S")
CLOSES = {"fi": "if", "od": "do", "}": "{"}
SEPARATORS = {"::", "->", ";", "{", "}", "if", "fi", "do", "od"}

Moves = dict[str, set[str]]


class BlindWrite(ValueError):
    """A status is assigned without a guard on what it was."""


@dataclass
class _Frame:
    """A block or a selection that is open: the conditions that hold where the reader stands in it."""

    opened_by: str
    atomic: bool = False
    conditions: list[list[str]] = field(default_factory=list)


def without_mutants(text: str) -> str:
    """Return the model without its comments and without what only -DM1_... and its like switch on."""
    kept: list[str] = []
    switches: list[bool] = []
    for line in re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL).splitlines():
        directive, _, name = line.strip().partition(" ")
        if directive in ("#ifdef", "#ifndef"):
            is_mutant = re.match(r"M\d", name) is not None
            switches.append(not is_mutant or directive == "#ifndef")
        elif directive == "#else":
            switches[-1] = not switches[-1]
        elif directive == "#endif":
            switches.pop()
        elif all(switches) and not directive.startswith("#"):
            kept.append(line)
    return "\n".join(kept)


def declared(text: str, comment: str) -> list[str]:
    """Return the values of the mtype that is declared for `comment`, in their order."""
    found = re.search(rf"mtype = \{{([^}}]*)\}};\s*/\* {comment}", text)
    assert found is not None, f"the model declares no statuses of {comment}"
    return re.findall(r"\w+", found[1])


def moves_of(text: str, variable: str, statuses: list[str]) -> Moves:
    """Return what each status of `variable` may become. Raises: BlindWrite."""
    moves: Moves = {status: set() for status in statuses}
    tokens = TOKEN.findall(without_mutants(text))
    for index, frames in _outside_parentheses(tokens):
        if tokens[index] == "=" and tokens[index - 1] == variable and tokens[index - 2] != "mtype":
            targets = _values(tokens, index + 1, statuses)
            for source in _guard(frames, variable):
                moves[source] |= targets
    return moves


def _outside_parentheses(tokens: list[str]) -> Iterator[tuple[int, list[_Frame]]]:
    """Yield the place of each token that stands in no parentheses, with the blocks and conditions around it."""
    frames = [_Frame("{")]
    since, depth = 0, 0
    for index, token in enumerate(tokens):
        depth += (token == "(") - (token == ")")
        if depth:
            continue
        if token in ("{", "if", "do"):
            frames.append(_Frame(token, atomic=tokens[index - 1] in ("atomic", "d_step")))
        elif token in CLOSES:
            assert frames.pop().opened_by == CLOSES[token], f"{token} closes nothing"
        elif token == "::":
            frames[-1].conditions.clear()
        elif token == "->":
            frames[-1].conditions.append(tokens[since:index])
        if token in SEPARATORS:
            since = index + 1
        yield index, frames


def _guard(frames: list[_Frame], variable: str) -> set[str]:
    """Return the values that the nearest guard inside the same atomic block asks `variable` to have."""
    for frame in reversed(frames):
        for condition in reversed(frame.conditions):
            pairs = zip(condition, condition[1:], condition[2:], strict=False)
            if asked := {value for name, sign, value in pairs if (name, sign) == (variable, "==")}:
                return asked
        if frame.atomic:
            break
    raise BlindWrite(f"{variable} is assigned without a guard on what it was")


def _values(tokens: list[str], start: int, statuses: list[str]) -> set[str]:
    """Return what is assigned: a status, or the two arms of `(condition -> one : other)`."""
    end = tokens.index(")", start) if tokens[start] == "(" else start
    return set(tokens[start : end + 1]) & set(statuses)
