"""What happens without the shop: at the card provider, and to the time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any

from orders.models import Order
from tests.proof.simulator.clients import Placed
from tests.proof.simulator.offer import Action, Offer
from tests.proof.simulator.wishes import CARDS, CHALLENGED, GOOD


def at_the_bank(world: Any, known: list[Placed]) -> Iterator[Offer]:
    """Offer what customers do at the provider, and what it does by itself."""
    bank, number_of = world.bank, {str(placed.order_id): placed.number for placed in known}
    for number in range(len(bank.late)):
        yield 20, Action(partial(_arrive, world, number), disturbed=False)
    bank.known_lines = bank.lines()
    for line in bank.known_lines:
        about = f"order {number_of.get(line.order_id, '?')}"
        if line.status == "requires_action":
            yield (
                10,
                Action(partial(_authenticate, world, line.intent_id, about), disturbed=False),
            )
        if line.status == "requires_capture":
            yield 5, Action(partial(_expire, world, line.intent_id, about), disturbed=False)
        if line.status == "requires_payment_method":
            yield 12, Action(partial(_confirm, world, line.intent_id, about), disturbed=False)


def _arrive(world: Any, number: int) -> str:
    arrived = world.bank.let_late_request_arrive(number)
    world.happens("provider: late request arrives")
    world.say(f"a late request reaches the provider: {arrived}")
    return ""


def _authenticate(world: Any, intent_id: str, about: str) -> str:
    approved = not world.choices.chance(35)
    world.happens("3-D Secure answered" if approved else "3-D Secure declined")
    world.say(f"the customer {'passes' if approved else 'fails'} 3-D Secure for {about}")
    return str(world.bank.authenticate(intent_id, approved=approved))


def _expire(world: Any, intent_id: str, about: str) -> str:
    world.happens("authorization expires at the provider")
    world.say(f"the provider lets the authorization of {about} expire")
    return str(world.bank.expire(intent_id))


def _confirm(world: Any, intent_id: str, about: str) -> str:
    card = world.choices.among((GOOD, CHALLENGED))
    world.happens("confirmed again with the client_secret")
    world.say(f"the customer confirms {about} at the provider again, with {CARDS[card]}")
    return str(world.bank.confirm_again(intent_id, card))


STEPS = {1.0: 6, 5.0: 6, 21.0: 6, 31.0: 6, 61.0: 6, 125.0: 4, 1000.0: 1, 90_000.0: 1}


def passing_time(world: Any, known: list[Placed], moments: list[tuple[str, datetime]]) -> Iterator[Offer]:
    """Offer to let time pass: a little, until something is due, or around a deadline."""
    yield 6, Action(lambda: _wait(world), disturbed=False)
    later = [moment for _context, moment in moments if moment > world.clock.moment]
    if later:
        yield 12, Action(lambda: _wait_until_due(world, min(later)), disturbed=False)
    for placed in known:
        if placed.status in ("PENDING", "AWAITING_PAYMENT"):
            yield 3, Action(partial(_wait_for_deadline, world, placed), disturbed=False)


def _wait_until_due(world: Any, moment: datetime) -> str:
    seconds = (moment - world.clock.moment).total_seconds() + 0.001
    world.say(f"{seconds:.1f} seconds pass, until the next work is due")
    world.clock.advance(seconds)
    return ""


def _wait(world: Any) -> str:
    seconds = world.choices.weighted([(weight, step) for step, weight in STEPS.items()])
    world.clock.advance(seconds)
    world.say(f"{seconds:g} seconds pass")
    return ""


def _wait_for_deadline(world: Any, placed: Placed) -> str:
    deadline = Order.objects.values_list("pay_before", flat=True).get(pk=placed.order_id)
    where, seconds = world.choices.among((("just before", -0.5), ("to", 0.0), ("just past", 0.5)))
    ahead = (deadline - world.clock.moment).total_seconds() + seconds
    if ahead <= 0:
        return ""
    world.happens(f"clock {where} a payment deadline")
    world.say(f"time passes {where} the payment deadline of order {placed.number}")
    world.clock.advance(ahead)
    return ""
