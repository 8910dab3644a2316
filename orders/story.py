"""What orders says about one order in `explain_order`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from orders import queries
from orders.models import Order, Saga
from orders.rules import LOOPING
from orders.sagas.checkout import SAGAS
from orders.sagas.steps import authorize_payment, capture_payment, refund_payment, void_payment
from payments import api as payments
from shop.clock import now
from shop.events.past import facts_about
from shop.story.timeline import Happening, Story, Upcoming, told_by

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
    "order.refunded": "the rest of its money went back and its stock is on the shelf again",
    "order.refund_issued": "a part of its money went back",
    "order.taken_along": "an account has taken the guest's order along",
    "order.hold_extended": "its customer was given more time to pay",
    "order.refund_returned": "a refund that the customer had been told of came back",
}

_OF_THE_PAYMENT = {step.__name__ for step in (authorize_payment, capture_payment, refund_payment, void_payment)}
# What a step that ended in a wait waits for, as the engine notes it.
_WAITS = {
    "customer": "waits for the customer",
    "payment_method": "waits for a payment method",
    "dispute": "waits for the customer's bank",
}


def tell_story(order_id: uuid.UUID) -> Story:
    """Tell the order's moves, its sagas' steps, and when they are looked at next."""
    order = Order.objects.filter(pk=order_id).first()
    if order is None:
        return Story()
    happened = list(_tell_facts(order))
    upcoming: list[Upcoming] = []
    for saga in queries.get_sagas(order_id=order_id):
        happened += [
            Happening(
                datetime.fromisoformat(entry["at"]),
                "orders",
                _tell_step(order, saga, entry),
                {"ms": entry["ms"]},
            )
            for entry in saga.log
        ]
        if saga.finished_at is None:
            upcoming.append(_next_look(order, saga))
    return Story(tuple(happened), tuple(upcoming))


def _tell_step(order: Order, saga: Saga, entry: Mapping[str, str]) -> str:
    """Return what came of a step, in words."""
    step, outcome = entry["step"], entry["outcome"]
    undoes = outcome == "undone"
    if undoes or outcome == "done":
        outcome = "done" if order.total.minor or step not in _OF_THE_PAYMENT else "not needed: the order costs nothing"
    return f"{saga.name}{', undoing' if undoes else ''}: {step} -> {_WAITS.get(outcome, outcome)}"


def _tell_facts(order: Order) -> Iterator[Happening]:
    """Tell the order's facts, each refund by what it left of the money, and its end by who has returned that."""
    returned = 0
    for fact in facts_about("orders", [order.pk]):
        what, payload = _IN_WORDS.get(fact.type, fact.type), fact.payload
        if fact.type == "order.refund_issued":
            before, returned = returned, returned + payload["amount"]["minor"]
            if returned >= order.total.minor:
                what = "the rest of its money went back, so all of it has" if before else "all of its money went back"
        elif fact.type == "order.confirming" and not order.total.minor:
            what = "nothing is to pay; it is being confirmed"
        elif fact.type == "order.refund_returned":
            returned -= payload["amount"]["minor"]
        elif fact.type == "order.refunded" and (by_bank := _tell_what_the_bank_returned(order.pk)):
            # Its total is the order's, which is not what we refunded.
            yield told_by(replace(fact, payload={}), context="orders", what=by_bank)
            continue
        yield told_by(fact, context="orders", what=what)


def _tell_what_the_bank_returned(order_id: uuid.UUID) -> str:
    """Return the end of a canceled order whose money a dispute took, in words; "" where none did."""
    payment = payments.get_payment(order_id=order_id)
    if payment is None or not payment.lost.minor:
        return ""
    refunded = f", {payment.refunded} was refunded" if payment.refunded.minor else ", nothing was refunded"
    return (
        f"it was canceled: the customer's bank had already returned {payment.lost} to them{refunded};"
        " its stock is on the shelf again"
    )


def _next_look(order: Order, saga: Saga) -> Upcoming:
    table = next(each for each in SAGAS if each.name == saga.name)
    steps = [step.name for step in table.stages().get(order.status, ())] or ["undo what was done"]
    if saga.parked_at is not None:
        what = f"{saga.name} is PARKED for staff after {saga.attempts} failed attempts; it still tries {steps[0]} again"
    elif saga.walked_since is not None and now() - saga.walked_since > LOOPING:
        what = (
            f"{saga.name} has begun {steps[0]} again and again since {saga.walked_since:%Y-%m-%d %H:%M:%S} UTC, and no "
            "walk came to its end: the workers' log says why (saga.database_unavailable, saga.out_of_time)"
        )
    elif saga.waiting_for == "payment_method":
        what = "the order waits for a payment method; without one it is canceled"
    elif saga.waiting_for == "dispute":
        what = f"{saga.name} waits until the customer's bank has decided the dispute"
    elif saga.attempts:
        what = f"{saga.name} tries {', then '.join(steps)} again after {saga.attempts} failed attempts"
    elif saga.waiting_for:
        what = f"waits for the {saga.waiting_for}; the provider is asked again"
    else:
        what = f"{saga.name} will be resumed at {', then '.join(steps)} if its current worker does not finish"
    return Upcoming("orders", what, saga.due_at)
