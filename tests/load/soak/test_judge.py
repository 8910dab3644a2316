"""The judge of a soak: what is as it should be passes, and each thing that is not is told by its own verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.load.soak.arrivals import Purchase
from tests.load.soak.judge import SESSIONS_MORE, judge, recovery
from tests.load.soak.plan import Phase, Wanted, phases
from tests.load.soak.record import Mail, Ran, Record
from tests.load.soak.report import report
from tests.load.soak.watch import BACKLOGS, QUEUES, Probe, Sample

PER_SECOND = 10


def calm_record() -> Record:
    """Return a soak of ten orders a second in which nothing goes wrong."""
    plan = [
        Phase("warm-up", 20),
        Phase("calm", 60),
        Phase("away", 20, "away"),
        Phase("after away", 35),
        Phase("calm again", 40),
    ]
    record = Record(capacity=14.0, per_second=PER_SECOND, most_sessions=60)
    at = 0.0
    for phase in plan:
        record.ran.append(Ran(phase, at, at + phase.seconds))
        at += phase.seconds
    record.samples = [sample(second) for second in range(int(at))]
    record.purchases = [purchase(tenth / PER_SECOND) for tenth in range(int(at) * PER_SECOND)]
    record.probes = [Probe(float(second), "/health", 200, 0.01) for second in range(int(at))]
    return record


def sample(at: float, **backlog: int) -> Sample:
    counts = dict.fromkeys((*BACKLOGS, QUEUES), 3) | backlog
    return Sample(at, {"web 0": 100.0, "beat 0": 90.0}, counts, {"shop-web": 20})


def purchase(began: float, *, took: float = 0.1, statuses: tuple[int, ...] = (201,)) -> Purchase:
    return Purchase(began, began + took, took, statuses)


def failed(record: Record) -> set[str]:
    return {verdict.asked for verdict in judge(record) if verdict.wrong}


def change(record: Record, when: Callable[[float], bool], made: Callable[[Sample], Sample]) -> None:
    record.samples = [made(each) if when(each.at) else each for each in record.samples]


def buy(record: Record, when: Callable[[float], bool], **how: object) -> None:
    record.purchases = [purchase(each.began, **how) if when(each.began) else each for each in record.purchases]  # type: ignore[arg-type]


def test_nothing_wrong_passes_and_is_told():
    record = calm_record()

    assert failed(record) == set()
    assert "phase" in report(record, judge(record))


def backlog_grows(record: Record) -> None:
    change(record, lambda at: 20 <= at < 80, lambda each: sample(each.at, mails=3 * int(each.at)))


def test_a_backlog_that_comes_and_goes_does_not_grow():
    record = calm_record()
    change(record, lambda _at: True, lambda each: sample(each.at, webhooks=int(each.at) % 4 * 20))

    assert failed(record) == set()


def memory_grows(record: Record) -> None:
    change(record, lambda at: at > 80, lambda each: replace(each, memory={"web 0": 130.0, "beat 0": 90.0}))


def process_is_gone(record: Record) -> None:
    change(record, lambda at: at > 80, lambda each: replace(each, memory={"web 0": 100.0, "beat 0": 0.0}))


def waits_grow(record: Record) -> None:
    buy(record, lambda began: began >= 135, took=0.4)


def order_is_parked(record: Record) -> None:
    change(record, lambda at: at == 90, lambda each: replace(each, parked=1))


def probe_fails(record: Record) -> None:
    record.probes = [*record.probes, Probe(90.0, "/health", 0, 5.0)]


def unready_in_calm(record: Record) -> None:
    record.probes = [*record.probes, Probe(30.0, "/ready", 503, 0.1)]


def mail_is_late(record: Record) -> None:
    record.mails = [Mail(30.0, 6.0)]


def mail_is_late_long_after_the_database_is_back(record: Record) -> None:
    record.mails = [Mail(95.0, 50.0)]


def sessions_stay(record: Record) -> None:
    change(record, lambda at: at > 135, lambda each: replace(each, sessions={"shop-web": 20 + SESSIONS_MORE + 1}))


def too_many_sessions(record: Record) -> None:
    change(record, lambda at: at == 90, lambda each: replace(each, sessions={"shop-web": 61}))


def customer_meets_an_error(record: Record) -> None:
    buy(record, lambda began: began == 90.0, statuses=(500,))


def customer_gets_nothing_in_calm(record: Record) -> None:
    buy(record, lambda began: began == 30.0, statuses=(503,) * 5)


def audit_is_broken(record: Record) -> None:
    record.audit = "I1 SKU HOT: oversold"


def worker_is_killed(record: Record) -> None:
    record.killed = ["sweeps: WorkerLostError"]


def database_comes_back_late(record: Record) -> None:
    change(record, lambda at: 80 <= at < 133, lambda each: replace(each, backlog=None, sessions=None))


@pytest.mark.parametrize(
    ("breaks", "asked"),
    [
        (backlog_grows, "no backlog grows"),
        (memory_grows, "no memory grows"),
        (process_is_gone, "no memory grows"),
        (waits_grow, "p99 stays"),
        (database_comes_back_late, "back to normal within 30 s"),
        (worker_is_killed, "no process is killed or ends by itself"),
        (order_is_parked, "no order parked, no delivery dead"),
        (probe_fails, "probes answer all the time"),
        (unready_in_calm, "probes answer all the time"),
        (mail_is_late, "mail within 5 s"),
        (mail_is_late_long_after_the_database_is_back, "mail within 5 s"),
        (sessions_stay, "sessions at PostgreSQL"),
        (too_many_sessions, "sessions at PostgreSQL"),
        (customer_meets_an_error, "customers are answered"),
        (customer_gets_nothing_in_calm, "customers are answered"),
        (audit_is_broken, "the audit is clean"),
    ],
)
def test_what_is_wrong_is_told_by_its_own_verdict(breaks: Callable[[Record], None], asked: str):
    record = calm_record()

    breaks(record)

    assert failed(record) == {asked}


def test_what_the_fault_itself_explains_is_excused():
    record = calm_record()
    change(record, lambda at: 80 <= at < 102, lambda each: replace(each, backlog=None, sessions=None))
    buy(record, lambda began: 80 <= began < 101, statuses=(503, 0, 201), took=9.0)
    record.probes = [*record.probes, Probe(85.0, "/ready", 503, 0.1)]
    record.mails = [Mail(79.0, 24.0), Mail(101.0, 6.0)]

    assert failed(record) == set()


def test_recovery_ends_with_the_last_moment_that_was_not_as_before():
    record = calm_record()
    ((fault, after),) = record.faults()
    change(record, lambda at: 100 <= at < 104, lambda each: sample(each.at, queues=500))

    seconds, why = recovery(record, fault, after)

    assert seconds == 6.0
    assert why == "queues 500"


def test_the_plan_fills_its_minutes():
    plan = phases(Wanted(minutes=5))

    assert [phase.name for phase in plan] == [
        "warm-up", "calm", "slow", "after slow", "away", "after away", "holds", "after holds", "calm again",
    ]  # fmt: skip
    assert round(sum(phase.seconds for phase in plan)) == 300
    assert Wanted(minutes=30).seconds_of("away") == 180


def test_a_plan_without_room_for_calm_is_refused():
    with pytest.raises(ValueError, match="calm"):
        phases(Wanted(minutes=3))
