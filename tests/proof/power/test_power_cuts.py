"""The power may go at any moment: an order is placed, the power is cut at each of its points, and it comes out the same.

`make prove-full` cuts before and after everything durable and every call outside; `make prove` at a third of these
points, drawn by the seed, and the suite at a sixth.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest

from tests.driver.provider import Provider
from tests.driver.shopper import id_in
from tests.proof.choosing import drawn_from, every_one
from tests.proof.crashes.children import Lived
from tests.proof.crashes.enumeration import settle, violations_at_rest
from tests.proof.crashes.journeys.placing import Confirm
from tests.proof.crashes.points import Points
from tests.proof.heard import unheard
from tests.proof.power.server import Power
from tests.proof.report import Record, sized

ONE_IN = sized(slice=6, short=3, full=1)


def live(journey: Confirm, power: Power, *, cut_at: int | None = None) -> Lived:
    """Do the journey in this process, which outlives the server; return what its client was told."""
    lived = Lived()

    def meet(point: str) -> None:
        lived.points.append(point)
        if len(lived.points) - 1 == cut_at:
            power.cut()
            lived.killed = True

    def tell(answer: Any) -> None:
        lived.told.append({"status": answer.status_code, "body": answer.content.decode()})

    points = Points(meet)
    points.install()
    try:
        journey.act(tell)
    except Exception:
        if not lived.killed:
            raise
    finally:
        points.uninstall()
    power.forget_connections()
    return lived


def recover_and_judge(journey: Confirm, lived: Lived) -> Iterator[str]:
    """Let the sweeps finish, have the client ask again, and return what is wrong then."""
    if lived.killed:
        settle()
    answer = journey.again()
    settle()
    yield from violations_at_rest()
    yield from unheard()
    promised = [told for told in lived.told if told["status"] == journey.answer]
    if "Idempotent-Replayed" not in answer:
        # Given without being kept, since the database was away just then: the order is the same, and has gone on.
        yield from (
            f"{told} was answered, then {answer.content!r}" for told in promised if id_of(told) != id_in(answer)
        )
        promised = []
    # Whoever was told that the database is away was promised nothing.
    yield from journey.wrongs(Lived(lived.points, promised, lived.killed), answer)


def id_of(told: dict[str, Any]) -> UUID:
    return UUID(json.loads(told["body"])["id"])


@pytest.mark.timeout(900)
def test_an_order_whose_database_loses_its_power_at_any_point_comes_out_the_same(
    power: Power, sandbox: Provider, drain: Callable[[], None], settings: Any, proof: Record
):
    settings.SANDBOX_CARRIER_TRANSIT_SECONDS = Confirm.transit_seconds
    journey = Confirm(sandbox, drain)
    choose = drawn_from(every_one, one_in=ONE_IN, of="power cut")
    journey.begin()
    recorded = live(journey, power)
    violations = [f"undisturbed: {wrong}" for wrong in recover_and_judge(journey, recorded)]
    chosen = choose(recorded.points)

    for number in chosen:
        journey.begin()
        lived = live(journey, power, cut_at=number)
        assert lived.killed, f"the order did not come to its point {number}, {recorded.points[number]}"
        violations += [f"cut {recorded.points[number]}: {wrong}" for wrong in recover_and_judge(journey, lived)]

    proof("power of the database cut", histories=len(chosen), of=len(recorded.points), violations=violations)
    assert violations == []
    assert len(recorded.points) >= Confirm.floor
