"""Who meets whom over which order: every pair of actors, in every scene in which both have something to do."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.proof.choosing import Choose
from tests.proof.races import stage as scenes
from tests.proof.races.actors import ACTORS, Actor
from tests.proof.races.judge import wrongs
from tests.proof.races.overlap import Met, Pair
from tests.proof.races.stage import Scene, Stage

NAMES = tuple(actor.name for actor in ACTORS)
BY_NAME = {actor.name: actor for actor in ACTORS}
CANCELS = ("cancel by customer", "cancel by staff")

# scene -> who acts in it whatever the others do, and who has something to do in it only once another has acted.
ACTING: dict[Scene, tuple[tuple[str, ...], tuple[str, ...]]] = {
    scenes.placed: (("complete", "expiry", *CANCELS, "sweep"), ("webhook", "refund", "redelivery", "reconcile")),
    scenes.unpaid: (
        ("complete", "expiry", *CANCELS, "sweep", "erase", "more time"),
        ("webhook", "redelivery", "reconcile"),
    ),
    scenes.challenged: (
        ("complete", "expiry", *CANCELS, "sweep", "more time"),
        ("webhook", "refund", "redelivery", "reconcile"),
    ),
    scenes.declined: (
        ("complete", "expiry", *CANCELS, "sweep", "more time"),
        ("webhook", "refund", "redelivery", "reconcile"),
    ),
    scenes.late_success: (
        ("complete", "webhook", "expiry", *CANCELS, "reconcile", "sweep", "more time"),
        ("refund", "redelivery"),
    ),
    scenes.authenticated: (
        ("complete", "webhook", "expiry", *CANCELS, "reconcile", "sweep", "more time"),
        ("refund", "redelivery"),
    ),
    scenes.authorized: (
        ("complete", "webhook", "expiry", *CANCELS, "redelivery", "sweep", "more time"),
        ("refund", "reconcile"),
    ),
    scenes.capturing: (
        ("complete", "webhook", "expiry", "redelivery", "reconcile", "sweep"),
        (*CANCELS, "refund"),
    ),
    scenes.captured: (
        ("complete", "webhook", "expiry", "refund", "redelivery", "sweep", "dispute", "erase", "more time"),
        CANCELS,
    ),
    scenes.unbooked: ((*CANCELS, "refund", "redelivery", "sweep", "dispute", "erase"), ("webhook",)),
    scenes.confirmed: (
        (*CANCELS, "webhook", "refund", "redelivery", "sweep", "dispute", "erase"),
        ("complete", "reconcile"),
    ),
    scenes.collected: ((*CANCELS, "refund", "redelivery", "sweep", "dispute", "erase"), ()),
    scenes.refunded_in_part: (
        (*CANCELS, "webhook", "refund", "redelivery", "reconcile", "sweep", "dispute", "erase"),
        (),
    ),
    scenes.canceling: (("complete", "webhook", "expiry", *CANCELS, "reconcile", "sweep"), ("redelivery",)),
    scenes.refunding: (("complete", "webhook", "expiry", *CANCELS, "redelivery", "reconcile", "sweep"), ("refund",)),
}
LOST_REFUNDS: dict[Scene, int] = {scenes.refunded_in_part: 1}
CANCELED_BEFORE = {scenes.canceling, scenes.refunding}


@dataclass(frozen=True)
class Cell:
    """One actor overlapped by another in one scene."""

    scene: Scene
    first: Actor
    second: Actor

    def __str__(self) -> str:
        return f"{self.scene.__name__}: {self.first.name} x {self.second.name}"


@dataclass
class Races:
    """What came of cells that were run."""

    cells: list[Cell] = field(default_factory=list)
    overlaps: int = 0
    waited: int = 0
    violations: list[str] = field(default_factory=list)


def cells_of(first: str, scene: Scene | None = None) -> list[Cell]:
    """Return every cell in which `first` acts and is overlapped, of one scene or of all."""
    return [
        Cell(where, BY_NAME[first], BY_NAME[second])
        for where, (acting, joining) in ACTING.items()
        if scene in (None, where) and first in acting
        for second in (*acting, *joining)
    ]


def a_cell_of_each_pair(first: str, chance: random.Random) -> list[Cell]:
    """Return for every other actor one cell in which both act, drawn from as few scenes as it takes."""
    where = [scene for scene, (acting, _joining) in ACTING.items() if first in acting]
    chance.shuffle(where)
    chosen: dict[str, Cell] = {}
    for scene in where:
        for second in ACTING[scene][0]:
            chosen.setdefault(second, Cell(scene, BY_NAME[first], BY_NAME[second]))
    return [chosen[name] for name in NAMES]


def run(stage: Stage, pair: Pair, cells: Iterable[Cell], *, choose: Choose) -> Races:
    """Run each cell at those points of the first actor, by number, that `choose` takes of their names."""
    races = Races()
    known: dict[tuple[Scene, str], list[str]] = {}
    for cell in cells:
        alone = (cell.scene, cell.first.name)
        if alone not in known:
            stage.begin(cell.scene)
            known[alone] = pair.alone(cell.first.make(stage, cell.scene)).points
        races.cells.append(cell)
        assert known[alone], f"{cell}: nothing to overlap"
        for at in choose(known[alone]):
            met = _overlap(stage, pair, cell, at)
            races.overlaps += 1
            races.waited += met.waited
            point = f"{cell}, at point {at}, {known[alone][at]}"
            if met.points[at] != known[alone][at]:
                races.violations.append(f"{point}: it came out as {met.points[at]}")
            races.violations += [f"{point}: {wrong}" for wrong in _judged(stage, cell, met)]
    return races


def _overlap(stage: Stage, pair: Pair, cell: Cell, at: int) -> Met:
    stage.begin(cell.scene)
    return pair.overlap(cell.first.make(stage, cell.scene), cell.second.make(stage, cell.scene), at=at)


def _judged(stage: Stage, cell: Cell, met: Met) -> list[str]:
    return wrongs(
        stage,
        (cell.first.name, cell.second.name),
        met,
        lost_refunds=LOST_REFUNDS.get(cell.scene, 0),
        canceled_before=cell.scene in CANCELED_BEFORE,
    )
