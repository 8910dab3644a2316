"""Real processes, a load of orders, and one fault after the other: what the clients were told holds.

`make chaos` runs the campaign alone: ROUNDS, ORDERS and SEED choose it, FAULTS="worker killed,RabbitMQ killed" names the
rounds one by one. The same seed gives the same schedule of faults
and the same orders; when which process gets the processor is the machine's to decide.
"""

from __future__ import annotations

import os
from typing import Final

import pytest

from tests.proof.processes.campaign import Campaign, schedule, worst
from tests.proof.processes.faults import NAMED
from tests.proof.processes.shop import ChaosShop
from tests.proof.report import EXTENT, SEED, Record, sized

SHORT: Final = (
    "worker killed",
    "provider half-open",
    "PostgreSQL killed",
    "RabbitMQ killed",
    "provider's answers lost",
    "web server killed",
)
CHOSEN: Final = os.environ["FAULTS"].split(",") if "FAULTS" in os.environ else sized(slice=SHORT, short=SHORT, full=())
ROUNDS: Final = int(os.environ.get("ROUNDS") or sized(slice=0, short=len(SHORT), full=26))
ORDERS: Final = int(os.environ.get("ORDERS") or sized(slice=0, short=60, full=2080))
# So many orders must stand at the end of the whole campaign; whoever chooses ORDERS has chosen otherwise.
AT_LEAST: Final = sized(slice=0, short=0, full=0 if os.environ.get("ORDERS") else 2000)
KILLS: Final = int(os.environ.get("KILLS") or 10)

pytestmark = [
    pytest.mark.rabbitmq,
    pytest.mark.skipif(EXTENT == "slice", reason="make prove and make chaos run the campaigns: they take minutes"),
]


def late(campaign: Campaign) -> list[str]:
    """Return the recoveries that took too long; in CI, beside whatever else runs there, they are only written down."""
    return worst(campaign.recoveries) if EXTENT == "full" else []


@pytest.mark.timeout(sized(slice=60, short=600, full=3 * 3600))
def test_orders_survive_whatever_happens_to_the_processes_and_between_them(shop: ChaosShop, proof: Record):
    campaign = Campaign(shop, SEED, clients=sized(slice=0, short=4, full=6))
    faults = [NAMED[name] for name in CHOSEN] if CHOSEN else schedule(seed=SEED, rounds=ROUNDS)

    for fault in faults:
        campaign.round(fault, orders=-(-ORDERS // len(faults)))
    campaign.finish(at_least=AT_LEAST)

    for name in dict.fromkeys(fault.name for fault in faults):
        recoveries = [found.seconds for found in campaign.recoveries if found.fault.name == name]
        proof(name, histories=len(recoveries), violations=campaign.violations[name], recoveries=recoveries)
    proof(
        "orders under real-process chaos",
        histories=len(campaign.purchases),
        violations=campaign.violations["at the end"],
    )
    assert campaign.all_violations() == [], shop.tails()
    assert late(campaign) == [], shop.tails()


@pytest.mark.timeout(3600)
@pytest.mark.skipif(EXTENT != "full", reason="a round of the other campaign kills PostgreSQL once; often is a campaign")
def test_no_order_that_a_client_was_told_about_is_gone_after_postgresql_is_killed(shop: ChaosShop, proof: Record):
    campaign = Campaign(shop, SEED + 1, clients=4)

    for _kill in range(KILLS):
        campaign.round(NAMED["PostgreSQL killed"], orders=24)
    campaign.finish()

    proof(
        "PostgreSQL killed in the middle of a load",
        histories=len(campaign.purchases),
        violations=campaign.all_violations(),
        recoveries=[found.seconds for found in campaign.recoveries],
    )
    assert campaign.all_violations() == [], shop.tails()
    assert late(campaign) == [], shop.tails()
