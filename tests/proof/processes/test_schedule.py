"""The schedule of a campaign follows from its seed and leaves no kind of fault out; a fault that misses is told."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from local.stack import SANDBOX_KEY
from tests.proof.processes.campaign import Campaign, Recovery, schedule, without_unknown, worst
from tests.proof.processes.faults import BLOW, FAULTS, MAKING_UNKNOWN, NAMED, PROVIDER_SECONDS, Fault
from tests.proof.processes.load import Load
from tests.proof.processes.purchases import Purchase
from tests.proof.processes.shop import ChaosShop
from tests.proof.processes.test_campaign import SHORT


def test_every_kind_comes_once_before_any_comes_again():
    rounds = schedule(seed=1, rounds=len(FAULTS) + 5)

    assert sorted(fault.name for fault in rounds[: len(FAULTS)]) == sorted(NAMED)
    assert len(rounds) == len(FAULTS) + 5


def test_the_same_seed_gives_the_same_schedule():
    assert schedule(seed=1, rounds=30) == schedule(seed=1, rounds=30) != schedule(seed=2, rounds=30)


def test_the_short_form_takes_faults_that_exist():
    assert set(SHORT) <= set(NAMED)


def test_a_recovery_that_took_too_long_is_named_with_its_round_and_what_came_last():
    fault = NAMED["PostgreSQL killed"]

    (late,) = worst([Recovery("round 1", fault, 14.9, "a"), Recovery("round 2", fault, 15.1, "3 facts unpublished")])

    assert late == "round 2: well after 15.1 s, not 15; last came 3 facts unpublished"


class Busy(Load):
    """A load of one purchase, which is under way until it is let go."""

    def __init__(self, shop: ChaosShop) -> None:
        super().__init__(shop, [Purchase(key="key-1", customer_id="ada", sku="MUG")], clients=1)
        self.let_go = threading.Event()

    def _buy_all(self) -> None:
        with self._is_under_way():
            self.let_go.wait(120)


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[ChaosShop]:
    """Start a shop that has nothing but its provider."""
    made = ChaosShop(tmp_path)
    try:
        made.start_sandbox()
        yield made
    finally:
        made.processes["sandbox"].kill()
        for proxy in made.proxies:
            proxy.close()


@pytest.fixture
def busy(provider: ChaosShop) -> Iterator[Busy]:
    load = Busy(provider)
    load.start()
    yield load
    load.let_go.set()
    load.join()


@pytest.mark.parametrize("name", MAKING_UNKNOWN)
def test_a_fault_that_met_no_load_and_hit_nothing_is_told(name: str, provider: ChaosShop):
    campaign = Campaign(provider, seed=1, clients=1)
    blow = Fault(name, NAMED[name].begin, NAMED[name].end, BLOW, PROVIDER_SECONDS, hits=NAMED[name].hits)

    campaign._hurt(blow, random.Random(1), Load(provider, [], clients=1), 0, "round 1")

    assert campaign.violations == {name: ["round 1: the fault met no load", "round 1: the fault hit nothing"]}


def test_a_fault_holds_until_it_has_hit_something(provider: ChaosShop, busy: Busy):
    campaign = Campaign(provider, seed=1, clients=1)
    lost = NAMED["provider's answers lost"]
    blow = Fault(lost.name, lost.begin, lost.end, BLOW, PROVIDER_SECONDS, hits=lost.hits)
    hurting = threading.Thread(target=campaign._hurt, args=(blow, random.Random(1), busy, 0, "round 1"))

    hurting.start()
    hurting.join(1)
    held = hurting.is_alive()
    with pytest.raises(requests.ConnectionError):
        requests.post(f"{provider.sandbox_url}/v1/payment_intents/pi_1/confirm", auth=(SANDBOX_KEY, ""), timeout=60)
    hurting.join(60)

    assert held
    assert not hurting.is_alive()
    assert not any(campaign.violations.values())


@pytest.mark.parametrize("fault", MAKING_UNKNOWN)
def test_a_campaign_whose_lost_answers_left_no_payment_unknown_is_told(fault: str):
    faults = ["worker killed", fault]

    assert without_unknown(faults, orders=40, unknown=0) == ["no provider fault made any payment unknown"]
    assert without_unknown(faults, orders=40, unknown=1) == []
    assert without_unknown(faults, orders=39, unknown=0) == []
    assert without_unknown([*faults, *NAMED], orders=40, unknown=0) == []
    assert without_unknown(["worker killed", "provider half-open"], orders=40, unknown=0) == []
