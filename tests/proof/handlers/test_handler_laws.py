"""Every handler, run twice, late, reordered and at once from two connections, brings about what one run in order does.

The handlers are read from the bus: one that no journey here brings to the laws fails the last test.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator

import pytest

from tests.driver.provider import Provider
from tests.driver.shopper import Shopper
from tests.proof.handlers.moments import Bus, Delivery, Moment, subscriptions
from tests.proof.handlers.scenes import SCENES, Stage
from tests.proof.report import Record

Scene = Callable[[Stage], None]
SHUFFLES = 5
BOUND = 4  # deliveries up to which every order is tried; of more, seeded shuffles


@pytest.fixture
def moment(
    request: pytest.FixtureRequest, shopper: Shopper, sandbox: Provider, held: Bus, drain: Callable[[], None]
) -> Moment:
    request.param(Stage(shopper, sandbox, held))
    assert held.held, "nothing was told: the scene does not reach its moment"
    return Moment(held.held, drain)


@pytest.mark.parametrize("moment", SCENES, indirect=True, ids=lambda scene: scene.__name__)
def test_what_comes_of_events_is_the_same_however_they_come(
    moment: Moment, proof: Record, request: pytest.FixtureRequest
):
    deliveries = moment.deliveries
    once = moment.after(deliveries)

    reached = [(law, moment.after(*rounds)) for law, rounds in variants(deliveries)]
    reached.append(("twice each, in one batch", moment.after(deliveries + deliveries, in_batch=True)))
    reached.append(("twice each, all at once", moment.after(deliveries + deliveries, at_once=True)))

    broken = {law: state for law, state in reached if state != once}
    wrong = [f"{request.node.callspec.id}: {law}" for law in broken]
    proof("handler run twice, late, reordered, at once", histories=len(reached), violations=wrong)
    assert broken == dict.fromkeys(broken, once)


def variants(deliveries: list[Delivery]) -> Iterator[tuple[str, list[list[Delivery]]]]:
    """Yield each law's way to deliver: rounds, after each of which everything that follows happens."""
    yield "twice in a row", [[each for each in deliveries for _time in range(2)]]
    yield "again after everything", [deliveries, deliveries]
    for late in deliveries:
        yield f"late: {named(late)}", [[each for each in deliveries if each is not late], [late]]
    for order in _orders(len(deliveries)):
        shuffled = [deliveries[index] for index in order]
        yield f"in the order {[named(each) for each in shuffled]}", [shuffled]


def named(delivery: Delivery) -> str:
    return f"{delivery[1]['type']} at {delivery[0]}"


def _orders(count: int) -> list[tuple[int, ...]]:
    if count <= BOUND:
        return list(itertools.permutations(range(count)))[1:]
    dice = random.Random(count)
    return [tuple(dice.sample(range(count), count)) for _time in range(SHUFFLES)] + [tuple(reversed(range(count)))]


def test_every_handler_of_the_bus_is_put_to_the_laws(
    mug: str, shopper: Shopper, sandbox: Provider, held: Bus, drain: Callable[[], None]
):
    tried: set[tuple[str, str]] = set()
    for scene in SCENES:
        scene(Stage(shopper, sandbox, held))
        tried |= {(attributes["type"], subscriber) for subscriber, attributes in held.held}
        held.held.clear()
        drain()

    assert subscriptions() - tried == set()
