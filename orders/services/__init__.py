"""Use cases of orders: one function = one transaction in this context. The sagas put them in order."""

from orders.services.hearing import (
    RefundUnderWay,
    announce_partial_refund,
    note_parcel_delivered,
    note_parcel_dispatched,
)
from orders.services.moving import (
    NotPayable,
    NotRefundable,
    OrderAlreadyShipped,
    OrderBeingConfirmed,
    OrderIsCanceled,
    advance_order,
    provide_payment_method,
    refuse_order,
    request_cancel,
    ship_instead,
)
from orders.services.placing import (
    MixedCurrencies,
    NothingToPay,
    PricedLine,
    TooManyOpenOrders,
    TotalChanged,
    find_placed_order,
    place_order,
)
from orders.services.saga_rows import (
    claim_due_sagas,
    hurry_saga,
    postpone_saga,
    resume_saga_now,
    saga_attempts,
    suspend_saga,
)

__all__ = [
    "MixedCurrencies",
    "NotPayable",
    "NotRefundable",
    "NothingToPay",
    "OrderAlreadyShipped",
    "OrderBeingConfirmed",
    "OrderIsCanceled",
    "PricedLine",
    "RefundUnderWay",
    "TooManyOpenOrders",
    "TotalChanged",
    "advance_order",
    "announce_partial_refund",
    "claim_due_sagas",
    "find_placed_order",
    "hurry_saga",
    "note_parcel_delivered",
    "note_parcel_dispatched",
    "place_order",
    "postpone_saga",
    "provide_payment_method",
    "refuse_order",
    "request_cancel",
    "resume_saga_now",
    "saga_attempts",
    "ship_instead",
    "suspend_saga",
]
