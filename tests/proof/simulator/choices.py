"""Where every choice of a history comes from: one random generator, or the record of the choices of an earlier one.

A record is a list per step, so that a step can be taken out and the others stay what they were (`shrinking.py`). A choice
that is missing from it is 0, and 0 always is the choice that disturbs least.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

Option = TypeVar("Option")
Script = list[list[int]]


class Choices:
    """Draws what happens next, and remembers it."""

    def __init__(self, seed: int, script: Script | None = None) -> None:
        self._random = random.Random(seed)
        self._script = script
        self.made: Script = []

    @property
    def steps_recorded(self) -> int | None:
        """How many steps the record has that is replayed, None where none is."""
        return None if self._script is None else len(self._script)

    def begin_step(self) -> None:
        """Have the choices to come belong to a new step."""
        self.made.append([])

    def draw(self, number: int) -> int:
        """Choose from 0 up to, not including, `number`."""
        if number <= 1:
            return 0
        chosen = self._random.randrange(number) if self._script is None else self._recorded() % number
        self.made[-1].append(chosen)
        return chosen

    def _recorded(self) -> int:
        step, position = len(self.made) - 1, len(self.made[-1])
        script = self._script or []
        return script[step][position] if step < len(script) and position < len(script[step]) else 0

    def among(self, options: Sequence[Option]) -> Option:
        """Choose one of several that are as likely as each other."""
        return options[self.draw(len(options))]

    def weighted(self, options: Sequence[tuple[int, Option]]) -> Option:
        """Choose one of several (weight, option)."""
        left = self.draw(sum(weight for weight, _option in options))
        for weight, option in options:
            if left < weight:
                return option
            left -= weight
        raise AssertionError("the draw lies within the weights")

    def chance(self, percent: int) -> bool:
        """Choose yes in so many cases of a hundred."""
        return self.draw(100) >= 100 - percent
