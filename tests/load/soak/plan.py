"""What happens when: calm, then one fault after the other with time to recover, then calm again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

FAULTS = ("slow", "away", "holds")
# From the end of a fault until everything must be as before it.
RECOVERY_SECONDS = 30.0
# What of the first calm is not looked at: caches fill, pools open, statements are prepared.
WARM_UP_SECONDS = 20.0
LEAST_CALM_SECONDS = 30.0
LONG_FORM_MINUTES = 15.0
# Orders whose time to pay runs out at once. To cancel one and tell its customer costs nearly as much as to confirm one, so
# that what the shop has left at 70 % of its capacity (some 27 orders/s) works so many off in about twenty seconds.
HOLDS = 500


@dataclass(frozen=True)
class Phase:
    """A part of the soak. `fault` is one of FAULTS while it is in force, "" otherwise."""

    name: str
    seconds: float
    fault: str = ""


@dataclass(frozen=True)
class Wanted:
    """What was asked for on the command line; seconds of a fault are None where the length of the run chooses them."""

    minutes: float = 5.0
    faults: Sequence[str] = FAULTS
    slow_seconds: float | None = None
    away_seconds: float | None = None
    holds: int = HOLDS

    @property
    def is_long(self) -> bool:
        return self.minutes >= LONG_FORM_MINUTES

    def seconds_of(self, fault: str) -> float:
        """Return how long a fault is in force; holds that expire have no end but that of the work they make."""
        asked = {"slow": self.slow_seconds, "away": self.away_seconds}.get(fault)
        return asked or {"slow": (30.0, 120.0), "away": (20.0, 180.0), "holds": (15.0, 15.0)}[fault][self.is_long]


def phases(wanted: Wanted) -> list[Phase]:
    """Return the phases in their order. What the faults leave of the minutes is calm: two thirds before, one after.

    Raises: ValueError where that is too little to compare anything with.
    """
    disturbed = list(_disturbed(wanted))
    calm = 60.0 * wanted.minutes - WARM_UP_SECONDS - sum(phase.seconds for phase in disturbed)
    if calm < 2 * LEAST_CALM_SECONDS:
        raise ValueError(f"{wanted.minutes:g} minutes leave {calm:.0f} s of calm beside the faults: give it more")
    last = max(LEAST_CALM_SECONDS, calm / 3)
    return [Phase("warm-up", WARM_UP_SECONDS), Phase("calm", calm - last), *disturbed, Phase("calm again", last)]


def _disturbed(wanted: Wanted) -> Iterator[Phase]:
    for fault in wanted.faults:
        yield Phase(fault, wanted.seconds_of(fault), fault)
        yield Phase(f"after {fault}", RECOVERY_SECONDS + 5.0)
