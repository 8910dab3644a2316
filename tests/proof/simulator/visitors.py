"""What comes between while an action waits at a point: anything, the same again, or whoever holds its lease by then."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.proof.simulator.plans import Plan, Visit
from tests.proof.simulator.wishes import rival_wishes
from tests.proof.simulator.workers import run_sweep, sweeps_by_name

# Longer than the leases of the sagas, the payments, the inboxes and shipments, and the mails.
LEASES = (21.0, 31.0, 61.0, 121.0)


def anybody(world: Any, depth: int) -> None:
    """Have the scheduler choose any action."""
    world.happens("two at once")
    world.meanwhile(lambda: world.take_step(depth, ()), depth)


def the_other_side(world: Any, depth: int) -> None:
    """Have staff ask about the order that its customer asks about, or the customer where staff ask."""
    world.happens("two at once")
    asked = world.asking[-1] if world.asking else None
    world.meanwhile(lambda: world.take_step(depth, rival_wishes(world, asked) if asked else ()), depth)


def zombie(world: Any, depth: int) -> None:
    """Let the leases end, and another worker take up everything; the first goes on afterwards."""
    seconds = world.choices.among(LEASES)
    names = world.choices.weighted(
        [(5, ("orders.resume_sagas",)), (5, ()), (2, ("shop.relay_outbox", "shop.retry_deliveries"))]
    )
    world.happens("zombie after its lease")
    world.excused_bookings += 1
    world.excused_mails += 1
    world.clock.advance(seconds)
    world.say(f"- {seconds:g} seconds pass, another worker takes over")

    def take_over() -> None:
        for sweep in sweeps_by_name():
            if not names or sweep.name in names:
                outcome = world.run(partial(run_sweep, world, sweep), Plan(), depth)
                world.lines[-1] += f": {outcome}" if world.lines else ""
        world.look()

    world.meanwhile(take_over, depth)


VISITORS: list[tuple[int, Visit]] = [(5, anybody), (2, zombie), (1, the_other_side)]
