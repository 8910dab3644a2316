"""Each safeguard of the product is there for a reason that a test knows: without it, that test fails.

`make prove-full` takes every safeguard out, one at a time; `make prove` one in ten, drawn by the seed, of what each
promise rests on; the suite takes out three.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.driver.rabbitmq import insist_on_rabbitmq
from tests.proof.mutants.catalog import MUTANTS
from tests.proof.mutants.copies import ROOT, Copy
from tests.proof.mutants.mutant import Mutant, StaleMutant
from tests.proof.report import Record, drawn, sized

SAMPLE = (
    "the expected status of the compare-and-set",
    "the check of the inbox",
    "the redaction of card numbers in logs",
)
SAMPLED = tuple(mutant for mutant in MUTANTS if mutant.removes in SAMPLE)
PROMISES = [*(f"I{number}" for number in range(1, 14)), "edge"]
DRAWN = [
    mutant
    for promise in PROMISES
    for mutant in drawn([mutant for mutant in MUTANTS if mutant.promise == promise], one_in=10, of=promise)
]
CHOSEN = sized(slice=SAMPLED, short=DRAWN, full=MUTANTS)
# Whose tests are also run in a copy that is no mutant; `make test-all` has run them all in the tree itself.
CONTROL = sized(slice=SAMPLED, short=SAMPLED, full=MUTANTS)


@pytest.fixture(scope="session")
def copy(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Copy]:
    with Copy(tmp_path_factory.mktemp("mutants"), name=worker_id) as made:
        yield made


@pytest.mark.timeout(400)
@pytest.mark.parametrize("mutant", CHOSEN, ids=lambda mutant: mutant.removes.replace(" ", "-"))
def test_a_mutant_is_killed(mutant: Mutant, copy: Copy, proof: Record):
    if mutant.needs_broker:
        insist_on_rabbitmq()

    with copy.mutated(mutant):
        ended = copy.run(mutant.killers, makes_tables=mutant.makes_tables)

    survived = [] if ended.is_killed else [f"no test noticed that the shop is {mutant}"]
    proof("mutant of the code", histories=int(ended.is_killed), of=int(CHOSEN is MUTANTS), violations=survived)
    assert ended.is_killed, f"{mutant}: {ended.output[-3000:]}"
    assert not ended.broken, f"{mutant} does not run at all: {ended.broken}"


@pytest.mark.timeout(1200)
def test_the_copy_itself_passes(copy: Copy):
    killers = sorted({killer for mutant in CONTROL if not mutant.needs_broker for killer in mutant.killers})

    ended = copy.run(killers, seconds=1100)

    assert ended.exit_code == 0, ended.output[-3000:]


def test_a_mutant_that_changes_nothing_survives(copy: Copy):
    nothing = Mutant(
        removes="nothing",
        promise="none",
        file="shop/resilience/retry.py",
        old="    return wait * random.uniform(0.8, 1.2)",
        new="    return random.uniform(0.8, 1.2) * wait",
        killers=("tests/unit/shop/test_retry.py",),
    )

    with copy.mutated(nothing):
        assert not copy.run(nothing.killers).is_killed


def test_no_mutant_is_stale():
    for mutant in MUTANTS:
        assert mutant.applied_to((ROOT / mutant.file).read_text())


@pytest.mark.parametrize("old", ["what never stood there", "import"])
def test_a_stale_mutant_is_refused(old: str):
    stale = Mutant(removes="nothing", promise="none", file="shop/states.py", old=old, new="", killers=())

    with pytest.raises(StaleMutant):
        stale.applied_to((ROOT / stale.file).read_text())


def test_every_killer_exists(copy: Copy):
    killers = {killer for mutant in MUTANTS for killer in mutant.killers}

    # By file: of two killers of which one is part of the other, pytest looks only for the whole.
    ended = copy.run(["--collect-only", *sorted({killer.partition("::")[0] for killer in killers})])

    assert ended.exit_code == 0, ended.output[-3000:]
    found = {line for line in ended.output.splitlines() if "::" in line}
    known = found | {each.partition("[")[0] for each in found} | {each.partition("::")[0] for each in found}
    assert sorted(killers - known) == []


def test_a_killer_that_does_not_exist_kills_nothing(copy: Copy):
    assert not copy.run(["tests/unit/shop/test_retry.py::test_that_is_not"]).is_killed


def test_the_catalog_is_in_order():
    removed = [mutant.removes for mutant in MUTANTS]

    assert len(set(removed)) == len(removed) >= 100
    assert {mutant.promise for mutant in MUTANTS} == set(PROMISES)
    assert all(mutant.killers and mutant.old != mutant.new for mutant in MUTANTS)
    assert len(SAMPLED) == len(SAMPLE)
