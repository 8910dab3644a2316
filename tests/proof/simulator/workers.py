"""What workers do: the sweeps of the product, and its reconciliation."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any

from payments import tasks as payment_tasks
from shop.work.sweeps import Sweep
from tests.driver.sweeps import order_sweeps
from tests.proof.simulator.due import ready_among
from tests.proof.simulator.offer import Action, Offer

WEIGHTS = {
    "shop.relay_outbox": 20,
    "orders.resume_sagas": 14,
    "shipping.book_due_shipments": 14,
    "shipping.track_shipments": 14,
}
# Whom outside the sweeps of a context ask.
ASKED_BY = {
    "orders": ("provider", "carrier"),
    "payments": ("provider",),
    "shipping": ("carrier",),
    "notifications": ("mail server",),
}


def sweeps_by_name() -> list[Sweep]:
    """Return the sweeps of an order's way in an order that no import changes: a history chooses by number."""
    return sorted(order_sweeps(), key=lambda sweep: sweep.name)


def work(world: Any, moments: list[tuple[str, datetime]]) -> Iterator[Offer]:
    """Offer the sweeps that have work; now and then one that has none."""
    ready = ready_among(moments, world.clock.moment)
    relays = any(context.endswith("outbox") for context in ready)
    for sweep in sweeps_by_name():
        has_work = relays if sweep.name == "shop.relay_outbox" else sweep.context in ready
        if has_work:
            yield WEIGHTS.get(sweep.name, 6), Action(partial(run_sweep, world, sweep), asks=_asked_by(sweep))
    yield 1, Action(lambda: run_sweep(world, world.choices.among(sweeps_by_name())))
    yield 2, Action(lambda: _reconcile(world), asks=("provider",))


def _asked_by(sweep: Sweep) -> tuple[str, ...]:
    """Say whom outside a sweep asks."""
    return ("broker",) if sweep.name == "shop.relay_outbox" else ASKED_BY.get(sweep.context, ())


def run_sweep(world: Any, sweep: Sweep) -> str:
    """Run one sweep."""
    world.say(f"sweep {sweep.name}")
    return f"{sweep.run()} done"


def _reconcile(world: Any) -> str:
    world.say("the payments are reconciled")
    world.happens("reconciliation in between")
    return f"{payment_tasks.reconcile_recent()} differences"
