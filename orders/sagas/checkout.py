"""The whole checkout on one screen: each step beside its undo, and the pivot. Checked as docs/model/checkout.pml.

Where an order stands is its status; `then` names the status that a step leads to, and one that a walk only `passes`
through is not written: a crash there costs a second look, which finds the stock reserved (ADR 0020). A Refusal before the pivot unwinds:
the undos run in reverse over whatever was started, and accept that nothing was. A Fault is tried again with backoff:
before the pivot until the order's payment deadline, after which it unwinds unless the provider, asked once more, holds
the money; from CONFIRMING on, for as long as it takes, with a call for a human. Anything else that is raised is a bug
and parks the saga for a human at once.
"""

from __future__ import annotations

from orders.models import OrderStatus
from orders.sagas.engine import Saga, Step
from orders.sagas.steps import (
    authorize_payment,
    capture_payment,
    commit_stock,
    is_authorized,
    refund_payment,
    release_stock,
    reserve_stock,
    return_stock,
    ship_instead,
    stop_parcel,
    void_payment,
)

CHECKOUT = Saga(
    name="checkout",
    starts=OrderStatus.PENDING,
    steps=(
        Step(reserve_stock, undo=release_stock, then=OrderStatus.AWAITING_PAYMENT, passes=True, until_deadline=True),
        Step(authorize_payment, undo=void_payment, then=OrderStatus.CONFIRMING, until_deadline=True),
        # Note [Committed stock is released last]: commit_stock has no undo of its own. Undone in its turn it would
        # free stock before void_payment has fenced the payment at the provider, and a capture that is under way would
        # take money for stock that is gone. release_stock, which runs after the fence, takes committed stock as well.
        Step(commit_stock),
        Step(capture_payment, then=OrderStatus.CONFIRMED),  # the pivot: from here only forward
    ),
    unwinding=OrderStatus.CANCELING,
    unwound=OrderStatus.CANCELED,
    last_look=is_authorized,
)

# A confirmed order is canceled by returning everything, what can be returned at once first. Shipping decides alone
# whether the parcel can still be stopped; if it cannot, the order is SHIPPED and no money moves.
REFUND = Saga(
    name="refund",
    starts=OrderStatus.REFUNDING,
    steps=(
        Step(stop_parcel, if_refused=ship_instead),
        # Note [Money waits, stock does not]: a dispute keeps a refund waiting for months, and a provider that refuses it until
        # a human finds out why. A parcel that was stopped never leaves, and no further money can be taken of a captured
        # payment: its stock is sold to others meanwhile. void_payment releases stock before it waits, for the same reason.
        Step(return_stock),
        Step(refund_payment, then=OrderStatus.REFUNDED),
    ),
)

SAGAS = (CHECKOUT, REFUND)
