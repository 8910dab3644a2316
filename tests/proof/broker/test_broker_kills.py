"""The broker dies over and over while events flow: each is handled once by each who hears it, and soon after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.proof.broker.campaign import Campaign
from tests.proof.report import EXTENT, Finding, Record, sized

BROKER_IS_BACK_SECONDS = 25
WORKER_IS_REPLACED_SECONDS = 30
# Left to itself, Celery would by then ask for the broker every 26 s only.
OUTAGE_OF_MINUTES_SECONDS = 170


@dataclass(frozen=True)
class Plan:
    """How much is tried."""

    events: int
    per_second: float
    broker_kills: int
    worker_kills: int


PLAN = sized(
    slice=Plan(events=512, per_second=100, broker_kills=1, worker_kills=0),
    short=Plan(events=2048, per_second=160, broker_kills=2, worker_kills=1),
    full=Plan(events=65_536, per_second=200, broker_kills=28, worker_kills=9),
)


@pytest.mark.timeout(sized(slice=300, short=600, full=3600))
def test_every_event_is_handled_once_however_often_the_broker_is_killed(
    campaign: Callable[..., Campaign], proof: Record
):
    outcome = campaign(events=PLAN.events, per_second=PLAN.per_second).run(
        broker_kills=PLAN.broker_kills, worker_kills=PLAN.worker_kills
    )

    proof(
        "broker killed while events flow",
        histories=outcome.committed,
        violations=outcome.violations,
        recoveries=outcome.broker_recoveries,
    )
    if outcome.worker_kills:
        proof("worker killed while events flow", histories=outcome.worker_kills, recoveries=outcome.worker_recoveries)
    assert outcome.violations == []
    assert outcome.committed >= PLAN.events
    assert outcome.broker_kills >= PLAN.broker_kills
    if EXTENT == "full":
        assert Finding("", recoveries=outcome.broker_recoveries).recovery_p99 <= BROKER_IS_BACK_SECONDS
        assert Finding("", recoveries=outcome.worker_recoveries).recovery_p99 <= WORKER_IS_REPLACED_SECONDS


@pytest.mark.timeout(900)
@pytest.mark.skipif(EXTENT != "full", reason="an outage of three minutes is part of the campaign only")
def test_events_flow_soon_after_an_outage_of_minutes(campaign: Callable[..., Campaign], proof: Record):
    running = campaign(events=256, per_second=50)

    running.outage(seconds=OUTAGE_OF_MINUTES_SECONDS)
    outcome = running.run(broker_kills=0, worker_kills=0)

    proof(
        "broker away for minutes",
        histories=1,
        violations=outcome.violations,
        recoveries=outcome.broker_recoveries,
    )
    assert outcome.violations == []
    assert outcome.broker_recoveries[0] <= BROKER_IS_BACK_SECONDS
