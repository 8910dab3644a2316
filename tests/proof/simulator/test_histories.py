"""Histories by seed: whatever is disturbed, duplicated, delayed, lost or killed, every promise holds at every instant.

`make simulate N=10000 SEED=7` tells more of them; a seed that fails is printed in words, with the command that tells it
again. `regressions.txt` holds those that once failed.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tests.proof.report import SEED, Record, sized
from tests.proof.simulator.history import Simulator, Told
from tests.proof.simulator.kinds import KINDS
from tests.proof.simulator.regressions import Regression, regressions

PARTS, PART = sized(slice=(1, 20), short=(2, 25), full=(10, 1000))
TOGETHER = sized(slice=5, short=15, full=1000)
ENOUGH_FOR_EVERY_KIND = 1000


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(PARTS))
def test_every_promise_holds_in_every_history(part: int, simulator: Simulator, proof: Record):
    broken: list[Told] = []
    seeds: dict[str, list[int]] = {kind: [] for kind in sorted(KINDS)}
    for seed in range(SEED + part * PART, SEED + (part + 1) * PART):
        told = simulator.tell(seed)
        broken += [told] if told.violations else []
        for kind in told.kinds:
            seeds[kind].append(seed)

    wrong = {told.seed for told in broken}
    for kind, among in seeds.items():
        broken_ones = [f"seed {n}" for n in among if n in wrong]
        proof(f"simulated: {kind}", histories=len(among), violations=broken_ones, is_part=True)
    proof(
        "simulated histories",
        histories=PART,
        violations=[f"{told.replay}: {violation}" for told in broken for violation in told.violations],
    )
    assert not broken, "\n\n".join(map(str, broken))
    if PART >= ENOUGH_FOR_EVERY_KIND:
        rare = {kind: len(among) for kind, among in seeds.items() if len(among) < PART // 100}
        assert not rare, "these happen too rarely"


@pytest.mark.timeout(3600)
def test_every_promise_holds_while_one_writes_for_many(simulator: Simulator, settings: Any, proof: Record):
    settings.COALESCE = True
    batches = "shop_batch_wishes_count", {"use_case": "reserve_stock"}
    before = REGISTRY.get_sample_value(*batches) or 0

    told = [simulator.tell(seed) for seed in range(SEED, SEED + TOGETHER)]

    broken = [each for each in told if each.violations]
    proof(
        "simulated: stock written for many",
        histories=len(told),
        violations=[f"{each.replay} COALESCE=1: {violation}" for each in broken for violation in each.violations],
    )
    assert not broken, "\n\n".join(map(str, broken))
    assert (REGISTRY.get_sample_value(*batches) or 0) - before >= TOGETHER


@pytest.mark.parametrize("kept", regressions(), ids=lambda kept: kept.why)
def test_what_was_once_broken_holds(kept: Regression, simulator: Simulator, proof: Record):
    told = simulator.tell(kept.seed, kept.script)

    proof("simulated: kept as a regression", histories=1, violations=told.violations)
    assert not told.violations, str(told)


@pytest.mark.timeout(900)
def test_a_seed_and_its_record_tell_the_same_history_again(simulator: Simulator):
    for seed in range(SEED, SEED + sized(slice=1, short=3, full=20)):
        first = simulator.tell(seed)
        simulator.tell(seed + 1)

        again = simulator.tell(seed)
        recorded = simulator.tell(0, first.script)

        assert again.words == first.words
        assert again.script == first.script
        assert (recorded.kinds, len(recorded.words)) == (Counter(first.kinds), len(first.words))
