"""Everything that can happen next; what is not possible now is not offered."""

from __future__ import annotations

from typing import Any

from tests.chaos.simulator.codes import bargains
from tests.chaos.simulator.deliveries import messages, webhooks
from tests.chaos.simulator.disputed import at_cardholders_banks
from tests.chaos.simulator.elsewhere import at_the_bank, passing_time
from tests.chaos.simulator.offer import Offer
from tests.chaos.simulator.persons import erasures
from tests.chaos.simulator.wishes import more_time, wishes
from tests.chaos.simulator.workers import work


def offers(world: Any) -> list[Offer]:
    """Return everything that can happen now."""
    known, moments = world.known()
    return [
        *wishes(world, known),
        *messages(world),
        *webhooks(world),
        *at_the_bank(world, known),
        *work(world, moments),
        *passing_time(world, known, moments),
        # Last, so that recorded choices (regressions.txt) go on meaning what they meant.
        *at_cardholders_banks(world, known),
        *erasures(world, known),
        *more_time(world, known),
        *bargains(world, known),
    ]
