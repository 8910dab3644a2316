"""Which of the points of a journey or an actor are tried: functions from the names of all points to numbers of some."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.proof.report import drawn

Choose = Callable[[Sequence[str]], Sequence[int]]
"""Of the names of all points, in their order, return the numbers of those to try, in theirs."""


def every_one(points: Sequence[str]) -> Sequence[int]:
    return range(len(points))


def beginning_with(name: str) -> Choose:
    return lambda points: [number for number, point in enumerate(points) if point.startswith(name)]


after_each = beginning_with("after")
"""Nothing that survives lies between what is after a point and what is before the next."""


def containing(words: str) -> Choose:
    return lambda points: [number for number, point in enumerate(points) if words in point]


def drawn_from(points: Choose, *, one_in: int, of: str) -> Choose:
    """Choose one in so many of these points, drawn by the seed for what `of` names."""
    return lambda names: drawn(points(names), one_in=one_in, of=of)
