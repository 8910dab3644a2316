"""Kill a journey at each of its points, recover, and judge what came out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from django.apps import apps
from django.db import connections
from django.db.models import Model

from inventory.models import Reservation
from shop import transactions
from shop.events.outbox import OutboxMessage
from tests.driver.shop import violations
from tests.driver.sweeps import order_sweeps
from tests.driver.tables import execute
from tests.proof.choosing import Choose
from tests.proof.crashes.children import Lived, live
from tests.proof.crashes.journeys.journey import Journey
from tests.proof.heard import unheard

Walked = TypeVar("Walked", bound=Journey)
STILL_ROUNDS = 2
AT_REST_ONLY = {"I5", "I6", "I10", "I11"}


@dataclass
class Enumeration:
    """What became of a journey that died at each of its points."""

    journey: str
    points: list[str]
    died_at: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        covered, known = len(self.died_at), len(self.points)
        return f"{self.journey}: {covered} of {known} points, {len(self.violations)} violations"


def enumerate_crashes(
    journey: Walked,
    *,
    choose: Choose,
    judge: Callable[[Walked, Lived], Iterable[str]] | None = None,
) -> Enumeration:
    """Record the journey once, then kill it at each point that is chosen and see what recovery makes of it.

    `judge` recovers and says what is wrong then, where sweeps in this process are not all that it takes.
    """
    judge = judge or recover_and_judge
    journey.begin()
    recorded = live(journey.act)
    found = Enumeration(journey.name, recorded.points)
    found.violations += [f"undisturbed: {wrong}" for wrong in judge(journey, recorded)]
    for number in choose(recorded.points):
        point = recorded.points[number]
        journey.begin()
        lived = live(journey.act, die_at=number)
        assert lived.killed, f"{journey.name} did not come to its point {number}, {point}"
        assert lived.points[-1] == point, f"{journey.name} is not the same twice: {point}, then {lived.points[-1]}"
        found.died_at.append(point)
        found.violations += [f"as it was left {point}: {wrong}" for wrong in violations_at_any_time(journey)]
        found.violations += [f"killed {point}: {wrong}" for wrong in judge(journey, lived)]
    return found


def enumerate_pairs(journey: Journey, *, first: Choose, second: Choose) -> Enumeration:
    """Kill the journey at its `first` points, then what recovers it at each `second` one of the recovery; recover again.

    The points of the enumeration are the pairs that were chosen.
    """
    journey.begin()
    found = Enumeration(f"{journey.name}, pairs", [])
    recorded = live(journey.act).points
    for number in first(recorded):
        recovering = _die_twice(journey, number, None)[1].points
        for again in second(recovering):
            next_point = recovering[again]
            pair = f"{recorded[number]}, then {next_point}"
            found.points.append(pair)
            lived, recovery = _die_twice(journey, number, again)
            assert lived.killed, pair
            assert recovery.killed, pair
            assert recovery.points[-1] == next_point, f"{pair} came out as {recovery.points[-1]}"
            found.died_at.append(pair)
            found.violations += [f"killed {pair}: {wrong}" for wrong in recover_and_judge(journey, lived)]
    return found


def _die_twice(journey: Journey, first: int, second: int | None) -> tuple[Lived, Lived]:
    journey.begin()
    lived = live(journey.act, die_at=first)
    make_everything_due()
    return lived, live(lambda _tell: sweep_until_still(), die_at=second)


def sweep_until_still() -> None:
    """Run every sweep until none finds anything that is due."""
    while run_sweeps():
        pass


def run_sweeps() -> int:
    """Run every sweep of an order's way once, the relay's too; return how much they did."""
    return sum(sweep.run() for sweep in order_sweeps())


def recover_and_judge(journey: Journey, lived: Lived) -> Iterator[str]:
    """Do what the other processes of the shop do, and the client; say what is wrong then."""
    journey.resend()
    settle()
    yield from violations_at_rest()
    answer = journey.again()
    if answer is not None:
        settle()
        yield from violations_at_rest()
    yield from unheard()
    yield from journey.wrongs(lived, answer)


def settle() -> None:
    """Let every lease, backoff and look-again pass, and run every sweep, the relay's too, until nothing new happens.

    Whoever waits for a customer looks again forever; what else does not come to rest, the judgment finds unfinished.
    """
    still, known = 0, facts_known()
    while still < STILL_ROUNDS:
        make_everything_due()
        if not run_sweeps():
            return
        still, known = (still + 1 if facts_known() == known else 0), facts_known()


def facts_known() -> int:
    """Return how many events there are: nothing happens to an order without one."""
    return sum(model._default_manager.count() for model in apps.get_models() if issubclass(model, OutboxMessage))


def make_everything_due() -> None:
    """Let the moment come of everything that waits."""
    for model in apps.get_models():
        make_due(model)


def make_due(model: type[Model]) -> None:
    """Let the moment come that rows of this model wait for: work that is due, a relay's claim that ends."""
    context, table = model._meta.app_label, model._meta.db_table
    if any(column.name == "due_at" for column in model._meta.get_fields()):
        execute(context, f"UPDATE {table} SET due_at = now() WHERE due_at IS NOT NULL")
    elif issubclass(model, OutboxMessage):
        execute(context, f"UPDATE {table} SET claimed_until = now() - interval '1 second' WHERE published_at IS NULL")


def violations_at_any_time(journey: Journey) -> Iterator[str]:
    """Say what is wrong with what a dead process left, before anybody has tidied up; what only holds at rest is left out."""
    yield from (wrong for wrong in violations() if wrong.partition(" ")[0] not in AT_REST_ONLY)
    for order_id, status in Reservation.objects.values_list("order_id", "status"):
        captures, _net = journey.sandbox.money(order_id)
        if captures and status not in ("COMMITTED", "RETURNED"):
            yield f"I3 order {order_id}: money is taken while its reservation is {status}"


def violations_at_rest() -> list[str]:
    """Return what the audit finds, with everything counted as long ago."""
    alias = transactions.alias_for("orders")
    with connections[alias].cursor() as cursor:
        cursor.execute("UPDATE orders_order SET placed_at = placed_at - interval '1 hour'")
    return violations()
