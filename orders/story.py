"""What orders says about one order in `explain_order`."""

from __future__ import annotations

import uuid
from datetime import datetime

from orders import queries
from orders.models import Order, Outbox, Saga
from orders.sagas.checkout import SAGAS
from shop.timeline import Happening, Story, Upcoming, facts_of

_IN_WORDS = {
    "order.placed": "the order was recorded",
    "order.awaiting_payment": "its stock is reserved; it waits for its payment",
    "order.confirming": "its payment is authorized; it is being confirmed",
    "order.confirmed": "it was confirmed",
    "order.canceling": "it is being canceled",
    "order.canceled": "it was canceled: no stock held, no money kept",
    "order.shipped": "its parcel left",
    "order.delivered": "its parcel arrived",
    "order.refunding": "it is being canceled with a refund",
    "order.refunded": "all its money went back and its stock is on the shelf again",
    "order.refund_issued": "a part of its money went back",
}


def narrate(order_id: uuid.UUID) -> Story:
    """Tell the order's moves, its sagas' steps, and when they are looked at next."""
    order = Order.objects.filter(pk=order_id).first()
    if order is None:
        return Story()
    happened = [
        Happening(
            row.occurred_at,
            "orders",
            _IN_WORDS.get(row.type, row.type),
            facts_of(row.payload),
        )
        for row in Outbox.objects.filter(aggregate_id=order_id).order_by("id")
    ]
    upcoming: list[Upcoming] = []
    for saga in queries.get_sagas(order_id=order_id):
        happened += [
            Happening(
                datetime.fromisoformat(entry["at"]),
                "orders",
                f"{saga.name}: {entry['step']} -> {entry['outcome']}",
                {"ms": entry["ms"]},
            )
            for entry in saga.log
        ]
        if saga.finished_at is None:
            upcoming.append(_next_look(order, saga))
    return Story(tuple(happened), tuple(upcoming))


def _next_look(order: Order, saga: Saga) -> Upcoming:
    table = next(each for each in SAGAS if each.name == saga.name)
    steps = [step.name for step in table.stages().get(order.status, ())] or ["undo what was done"]
    if saga.parked_at is not None:
        what = f"{saga.name} is PARKED for staff after {saga.attempts} failed attempts; it still tries {steps[0]} again"
    elif saga.waiting_for == "payment_method":
        what = "the order waits for a payment method; without one it is canceled"
    elif saga.attempts:
        what = f"{saga.name} tries {', then '.join(steps)} again after {saga.attempts} failed attempts"
    elif saga.waiting_for:
        what = f"waits for the {saga.waiting_for}; the provider is asked again"
    else:
        what = f"{saga.name} goes on with {', then '.join(steps)} unless its worker finishes first"
    return Upcoming("orders", what, saga.due_at)
