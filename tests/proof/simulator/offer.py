"""What can happen next, as the scheduler sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Action:
    """Something that can happen now. `disturbed`: code of the product runs, which can be; `asks`: whom outside it asks."""

    act: Callable[[], str]
    disturbed: bool = True
    asks: tuple[str, ...] = ()


Offer = tuple[int, Action]
"""An action with its weight."""
