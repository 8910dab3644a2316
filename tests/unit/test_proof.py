"""The report that every proof ends in sums up, ranks and never hides a violation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import pytest

from tests.proof import report as proof

Outcome = Literal["passed", "failed", "skipped"]
Phase = Literal["setup", "call", "teardown"]


def recorded(
    fault: str, histories: int, of: int = 0, violations: tuple[str, ...] = (), recoveries: tuple[float, ...] = ()
):
    return (proof.PROPERTY, json.dumps([fault, histories, of, violations, recoveries, fault.startswith("part")]))


def test_what_several_tests_record_of_one_fault_is_one_row():
    findings = proof.findings_of(
        [
            recorded("worker killed", 2, recoveries=(3.0, 9.0)),
            ("something else", "that a test recorded"),
            recorded("broker killed", 1),
            recorded("worker killed", 1, violations=("order 1 was lost",), recoveries=(1.0,)),
        ]
    )

    assert [found.fault for found in findings] == ["broker killed", "worker killed"]
    assert findings[1] == proof.Finding("worker killed", 3, 0, ["order 1 was lost"], [3.0, 9.0, 1.0])


def test_the_table_shows_each_fault_and_the_sum():
    table = proof.table_of(
        proof.findings_of(
            [
                recorded("killed", 54, of=54, recoveries=(0.25,)),
                recorded("part of it", 54, violations=("x",)),
                recorded("raced", 1000, violations=("x",)),
            ]
        )
    )

    assert table == [
        "| fault      | histories | violations | recovery p99 |",
        "| ---------- | --------: | ---------: | -----------: |",
        "| killed     |  54 of 54 |          0 |        0.2 s |",
        "| part of it |        54 |          1 |              |",
        "| raced      |     1,000 |          1 |              |",
        "| all        |     1,054 |          1 |              |",
    ]


@pytest.mark.parametrize(
    ("recoveries", "p99"),
    [
        ([], None),
        ([7.0], 7.0),
        ([1.0] * 99 + [50.0], 1.0),
        ([1.0] * 98 + [50.0, 60.0], 50.0),
        ([2.0] * 50 + [9.0], 9.0),
    ],
)
def test_the_99th_percentile_is_the_nearest_rank(recoveries: list[float], p99: float | None):
    assert proof.Finding("any", recoveries=recoveries).recovery_p99 == p99


def test_an_extent_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(proof, "EXTENT", "ful")

    with pytest.raises(pytest.UsageError, match="PROVE=ful is none of slice, short, full"):
        proof.sized(slice=1, short=2, full=3)


def test_what_is_drawn_is_a_share_in_order_and_the_seed_chooses_it(monkeypatch: pytest.MonkeyPatch):
    those = [f"point {number:02}" for number in range(31)]

    few = proof.drawn(those, one_in=3, of="confirm")

    assert len(few) == 11
    assert few == sorted(few)
    assert set(few) <= set(those)
    assert few == proof.drawn(those, one_in=3, of="confirm") != proof.drawn(those, one_in=3, of="cancel")
    monkeypatch.setattr(proof, "SEED", proof.SEED + 1)
    assert few != proof.drawn(those, one_in=3, of="confirm")


def test_all_or_none_are_drawn_of_all_or_none():
    assert proof.drawn(range(5), one_in=1, of="any") == [0, 1, 2, 3, 4]
    assert proof.drawn((), one_in=3, of="any") == []


def test_the_result_takes_the_place_of_the_last_one(tmp_path: Path):
    page = tmp_path / "proof.md"
    page.write_text(f"# Proof\n\nProse.\n\n{proof.HEADING}\n\nold figures\n")

    outcomes = [proof.Outcome(how, []) for how in ("passed", "passed", "failed", "skipped")]
    proof.keep_result(page, ["| fault |"], outcomes, commit="abc")

    text = page.read_text()
    assert text.startswith(f"# Proof\n\nProse.\n\n{proof.HEADING}\n\n`make prove-full SEED={proof.SEED}` on ")
    assert ", commit abc: 2 tests passed, 1 failed, 1 skipped.\n" in text
    assert text.endswith("\n\n| fault |\n")
    assert "old figures" not in text


def test_a_page_without_a_place_for_the_result_is_left_alone(tmp_path: Path):
    page = tmp_path / "proof.md"
    page.write_text("# Proof\n")

    with pytest.raises(ValueError, match="has no heading"):
        proof.keep_result(page, [], [], commit="abc")

    assert page.read_text() == "# Proof\n"


def report(test: str, *, outcome: Outcome = "passed", when: Phase = "call", found: str = "") -> pytest.TestReport:
    properties = [recorded(found, 1)] if found else []
    return pytest.TestReport(test, ("", 0, ""), {}, outcome, None, when, user_properties=properties)


def test_a_campaign_that_broke_off_goes_on_and_a_test_run_again_counts_once(tmp_path: Path):
    log = tmp_path / "var" / "proof.jsonl"
    broken_off = proof.Collector(log, commit="abc")
    broken_off.pytest_runtest_logreport(report("a", outcome="failed", found="killed"))
    broken_off.pytest_runtest_logreport(report("b", found="raced"))

    going_on = proof.Collector(log, commit="abc")
    going_on.pytest_runtest_logreport(report("a", found="killed"))

    assert going_on.outcomes == proof.Collector(log, commit="abc").outcomes
    assert log.read_text().splitlines()[0] == f'["abc", {proof.SEED}]'
    assert [(name, outcome.outcome) for name, outcome in going_on.outcomes.items()] == [
        ("a", "passed"),
        ("b", "passed"),
    ]
    assert [found.histories for found in proof.findings_of(entry for outcome in going_on.outcomes.values()
            for entry in outcome.properties)] == [1, 1]  # fmt: skip


@pytest.mark.parametrize(("commit", "seed"), [("abd", proof.SEED), ("abc", proof.SEED + 1)])
def test_a_campaign_does_not_go_on_at_another_commit_or_with_another_seed(
    commit: str, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    log = tmp_path / "proof.jsonl"
    proof.Collector(log, commit="abc").pytest_runtest_logreport(report("a", found="killed"))
    kept = log.read_text()
    monkeypatch.setattr(proof, "SEED", seed)

    with pytest.raises(pytest.UsageError, match="is of commit abc with SEED="):
        proof.Collector(log, commit=commit)

    assert log.read_text() == kept


@pytest.mark.parametrize("commit", ["", "abc+"])
def test_a_campaign_is_not_begun_on_what_is_no_commit(commit: str, tmp_path: Path):
    with pytest.raises(pytest.UsageError, match="commit first"):
        proof.Collector(tmp_path / "proof.jsonl", commit=commit)

    assert list(tmp_path.iterdir()) == []


def test_a_test_whose_setup_fails_has_failed(tmp_path: Path):
    collector = proof.Collector(None, commit="abc")

    collector.pytest_runtest_logreport(report("a", outcome="failed", when="setup"))
    collector.pytest_runtest_logreport(report("a", when="teardown"))

    assert [outcome.outcome for outcome in collector.outcomes.values()] == ["failed"]
