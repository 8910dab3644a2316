"""Use cases of orders: one function = one transaction in this context. The sagas put them in order."""

from orders.services.hearing import (
    RefundUnderWay,
    announce_partial_refund,
    announce_returned_refund,
    note_parcel_delivered,
    note_parcel_dispatched,
)
from orders.services.holding import OpenOrder, TooMuchHeldUnpaid
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
    DUE_SAGAS,
    RESUME_SWEEP,
    hurry_sagas,
    postpone_saga,
    rests_on_the_way_back,
    resume_saga_now,
    saga_attempts,
    suspend_saga,
)
from orders.services.waiting import begin_to_wait

__all__ = [
    "DUE_SAGAS",
    "RESUME_SWEEP",
    "MixedCurrencies",
    "NotPayable",
    "NotRefundable",
    "NothingToPay",
    "OpenOrder",
    "OrderAlreadyShipped",
    "OrderBeingConfirmed",
    "OrderIsCanceled",
    "PricedLine",
    "RefundUnderWay",
    "TooManyOpenOrders",
    "TooMuchHeldUnpaid",
    "TotalChanged",
    "advance_order",
    "announce_partial_refund",
    "announce_returned_refund",
    "begin_to_wait",
    "find_placed_order",
    "hurry_sagas",
    "note_parcel_delivered",
    "note_parcel_dispatched",
    "place_order",
    "postpone_saga",
    "provide_payment_method",
    "refuse_order",
    "request_cancel",
    "rests_on_the_way_back",
    "resume_saga_now",
    "saga_attempts",
    "ship_instead",
    "suspend_saga",
]
