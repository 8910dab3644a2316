"""How the shop stands when a history begins: mostly empty, else with one order that nothing has disturbed so far.

What can happen to a parcel lies behind many steps that all go well: from an empty shop few histories come that far.
"""

from __future__ import annotations

from typing import Any

from shipping.services import booking
from shop.events import inbox, relay
from tests.driver.factories import ProductFactory
from tests.proof.simulator.codes import make_codes
from tests.proof.simulator.wishes import CHALLENGED, GOOD, SKUS, place


def open_shop(world: Any) -> None:
    """Fill the shelves, and bring an order to where this history begins."""
    stocks = [1 + world.choices.draw(3) for _sku in SKUS]
    for sku, stock in zip(SKUS, stocks, strict=True):
        ProductFactory(sku=sku, stock=stock)
    world.lines.append("there are " + ", ".join(f"{stock} {sku}" for sku, stock in zip(SKUS, stocks, strict=True)))
    world.choices.weighted(
        [
            (42, _nothing),
            (18, _codes_and_a_guest),
            (10, _the_bank_waits),
            (15, _a_parcel_waits),
            (15, _a_parcel_is_booked),
        ]
    )(world)


def _place(world: Any, card: str) -> None:
    answer = place(world, card)
    world.lines[-1] += f": {answer}"


def _nothing(world: Any) -> None:
    """Begin with an empty shop."""


def _codes_and_a_guest(world: Any) -> None:
    """Begin with discount codes in an empty shop, and with a guest among the customers."""
    make_codes(world)


def _the_bank_waits(world: Any) -> None:
    """Begin with an order whose customer has 3-D Secure to pass."""
    _place(world, CHALLENGED)


def _a_parcel_waits(world: Any) -> None:
    """Begin with an order that is confirmed, and everybody has heard of it."""
    _place(world, GOOD)
    relay.drain_all()
    while world.held:
        message = world.held.pop(0)
        inbox.deliver(subscriber=message.subscriber, attributes=message.attributes)
    world.lines.append("everybody hears of it")


def _a_parcel_is_booked(world: Any) -> None:
    """Begin with an order whose parcel the carrier expects."""
    _a_parcel_waits(world)
    world.lines.append(f"its parcel is booked: {booking.book_due_shipments()} done")
