"""What goes through RabbitMQ may die at any moment: around each publish, confirm, acknowledgment and rejection.

`make prove-full` kills before and after each, and before and after each commit in between; `make prove` after one in two
of the broker's alone, drawn by the seed; the suite kills a worker after each acknowledgment.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.proof.choosing import beginning_with, drawn_from
from tests.proof.crashes.enumeration import enumerate_crashes
from tests.proof.crashes.over_rabbitmq import JOURNEYS, Applied, AppliedTogether, OverRabbitmq, recover_and_judge
from tests.proof.report import Record, sized

POINTS = beginning_with(sized(slice="after amqp ack", short="after amqp", full=""))
ONE_IN = sized(slice=1, short=2, full=1)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "kind", sized(slice=(Applied, AppliedTogether), short=JOURNEYS, full=JOURNEYS), ids=lambda kind: kind.name
)
def test_what_dies_on_the_way_through_rabbitmq_comes_out_the_same(
    kind: type[OverRabbitmq], journey: Callable[[type[OverRabbitmq]], OverRabbitmq], proof: Record
):
    choose = drawn_from(POINTS, one_in=ONE_IN, of=kind.name)

    found = enumerate_crashes(journey(kind), choose=choose, judge=recover_and_judge)

    proof(
        f"process killed: {kind.name} over RabbitMQ",
        histories=len(found.died_at),
        of=len(found.points),
        violations=found.violations,
    )
    assert found.violations == []
    assert found.died_at == [found.points[number] for number in choose(found.points)]
    assert len(found.points) >= kind.floor
