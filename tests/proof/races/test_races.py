"""Everybody meets everybody: an actor is held at a point where it writes or calls, and another runs meanwhile.

`make prove-full` runs every pair in every scene at every point of the first; `make prove` every pair at one point,
drawn by the seed, and the pairs that go wrong most easily at three; the suite these alone.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.proof.choosing import Choose, containing, every_one
from tests.proof.crashes.points import FOR_MANY
from tests.proof.races import stage as scenes
from tests.proof.races.matrix import ACTING, BY_NAME, NAMES, Cell, Races, a_cell_of_each_pair, cells_of, run
from tests.proof.races.overlap import Pair
from tests.proof.races.stage import Stage
from tests.proof.report import SEED, Record, sized

HARDEST = (
    (scenes.authenticated, "cancel by customer", "webhook"),
    (scenes.unpaid, "expiry", "complete"),
    (scenes.declined, "complete", "complete"),
    (scenes.challenged, "complete", "sweep"),
    (scenes.declined, "complete", "cancel by customer"),
    (scenes.late_success, "complete", "webhook"),
    (scenes.late_success, "expiry", "complete"),
    (scenes.confirmed, "refund", "refund"),
    (scenes.confirmed, "cancel by staff", "cancel by customer"),
    (scenes.placed, "complete", "sweep"),
    (scenes.captured, "redelivery", "redelivery"),
    (scenes.confirmed, "cancel by customer", "dispute"),
    (scenes.unbooked, "erase", "cancel by staff"),
    (scenes.unpaid, "more time", "expiry"),
    (scenes.unpaid, "more time", "more time"),
    (scenes.late_success, "more time", "complete"),
)
# Whose stock is written for many while another one acts: the reservation, and the commit before the money is taken.
TOGETHER = (
    (scenes.placed, "complete", "complete"),
    (scenes.placed, "complete", "cancel by customer"),
    (scenes.placed, "sweep", "expiry"),
    (scenes.unpaid, "complete", "cancel by staff"),
    (scenes.authenticated, "webhook", "complete"),
    (scenes.authorized, "sweep", "cancel by customer"),
)
PARTS = [(name, scene) for scene, (acting, _joining) in ACTING.items() for name in acting]
"""What `make prove-full` shares among the workers of pytest-xdist."""


def a_few_of(count: int, chance: random.Random) -> Choose:
    return lambda points: sorted(chance.sample(range(len(points)), min(count, len(points))))


def record(proof: Record, first: str, races: Races, *, cells: int) -> None:
    """Add to the row of `first`, which says how many cells it sums up: pairs, in one scene or in several."""
    fault = f"race: {first} overlapped by every other, {cells} {'cell' if cells == 1 else 'cells'}"
    proof(fault, histories=races.overlaps, violations=races.violations)


def test_every_pair_has_a_scene_in_which_both_act():
    chance = random.Random(SEED)

    assert all([cell.second.name for cell in a_cell_of_each_pair(name, chance)] == list(NAMES) for name in NAMES)


@pytest.mark.parametrize(
    "hardest",
    sized(slice=HARDEST, short=HARDEST, full=()),
    ids=lambda cell: f"{cell[0].__name__}: {cell[1]} x {cell[2]}",
)
def test_two_meet(hardest: tuple[scenes.Scene, str, str], stage: Stage, pair: Pair, proof: Record):
    scene, first, second = hardest
    chance = random.Random(f"{SEED} {first} {second}")

    races = run(stage, pair, [Cell(scene, BY_NAME[first], BY_NAME[second])], choose=a_few_of(3, chance))

    record(proof, first, races, cells=1)
    assert races.violations == []


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("together")
@pytest.mark.parametrize(
    "cell", sized(slice=TOGETHER[1:2], short=TOGETHER, full=TOGETHER), ids=lambda cell: f"{cell[0].__name__}: {cell[1]}"
)
def test_two_meet_while_one_writes_for_many(
    cell: tuple[scenes.Scene, str, str], stage: Stage, pair: Pair, proof: Record, settings: Any
):
    scene, first, second = cell
    # So long a wish waits for the thread while that is held for the other one; a slow machine starts it sooner.
    settings.BREAKER_TIMEOUT_SECONDS = 3.0

    races = run(stage, pair, [Cell(scene, BY_NAME[first], BY_NAME[second])], choose=containing(FOR_MANY))

    proof("race: stock written for many", histories=races.overlaps, violations=races.violations)
    assert races.violations == []
    assert races.overlaps >= 2


@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", sized(slice=(), short=NAMES, full=()))
def test_everybody_meets_everybody_at_a_point(first: str, stage: Stage, pair: Pair, proof: Record):
    chance = random.Random(f"{SEED} {first}")

    races = run(stage, pair, a_cell_of_each_pair(first, chance), choose=a_few_of(1, chance))

    record(proof, first, races, cells=len(NAMES))
    assert races.violations == []
    assert len(races.cells) == len(NAMES)


@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    ("first", "scene"),
    sized(slice=(), short=(), full=PARTS),
    ids=lambda part: part if isinstance(part, str) else part.__name__,
)
def test_everybody_meets_everybody_at_every_point(
    first: str, scene: scenes.Scene, stage: Stage, pair: Pair, proof: Record
):
    races = run(stage, pair, cells_of(first, scene), choose=every_one)

    record(proof, first, races, cells=len(cells_of(first)))
    assert races.violations == []
    assert races.cells
