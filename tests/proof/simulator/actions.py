"""Everything that can happen next; what is not possible now is not offered."""

from __future__ import annotations

from typing import Any

from tests.proof.simulator.codes import bargains
from tests.proof.simulator.deliveries import messages, webhooks
from tests.proof.simulator.disputed import at_cardholders_banks
from tests.proof.simulator.elsewhere import at_the_bank, passing_time
from tests.proof.simulator.offer import Offer
from tests.proof.simulator.persons import erasures
from tests.proof.simulator.wishes import more_time, wishes
from tests.proof.simulator.workers import work


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
