"""Histories kept because they once broke something."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tests.proof.simulator.choices import Script

KEPT = Path(__file__).with_name("regressions.txt")


@dataclass(frozen=True)
class Regression:
    """One kept history; `script` None means the seed alone."""

    why: str
    seed: int
    script: Script | None


def regressions() -> list[Regression]:
    """Read what is kept."""
    found = []
    for line in KEPT.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        why, _tab, what = line.partition("\t")
        if what.startswith("seed "):
            found.append(Regression(why, int(what.removeprefix("seed ")), None))
        else:
            found.append(Regression(why, 0, json.loads(what)))
    return found
