"""Use cases of orders: one function = one transaction in this context. The sagas put them in order."""

from orders.services.advance_order import advance_order, refuse_order, ship_instead
from orders.services.begin_to_wait import begin_to_wait
from orders.services.cancel_order import OrderAlreadyShipped, OrderBeingConfirmed, OrderIsCanceled, request_cancel
from orders.services.extend_hold import (
    HoldAlreadyExtended,
    HoldEnded,
    HoldExtensionsOff,
    HoldNotExtendable,
    extend_hold,
    extensions_left,
    refuse_extension,
)
from orders.services.held_unpaid import OpenOrder, TooMuchHeldUnpaid
from orders.services.note_parcel import RefundUnderWay, note_parcel_delivered, note_parcel_dispatched
from orders.services.order_links import OrderHasNoLinks, link_to, open_by, revoke_links
from orders.services.pay_order import NotPayable, provide_payment_method
from orders.services.place_order import (
    CodeNotUsable,
    NewOrder,
    TooManyOpenOrders,
    TotalChanged,
    find_placed_order,
    place_order,
)
from orders.services.price_order import (
    MixedCurrencies,
    NothingForSale,
    PricedOrder,
    RefusedCode,
    RegionNotKnown,
    ShippingOptionNotOffered,
    Unavailable,
    price_order,
)
from orders.services.quotes import Quote, QuotedOrder, QuoteNotValid, quote_order, read_quote
from orders.services.refund_order import NotRefundable, announce_partial_refund, announce_returned_refund
from orders.services.saga_store import (
    DUE_SAGAS,
    RESUME_SWEEP,
    hurry_sagas,
    postpone_saga,
    rests_on_the_way_back,
    resume_saga_now,
    saga_attempts,
    suspend_saga,
)

__all__ = [
    "DUE_SAGAS",
    "RESUME_SWEEP",
    "CodeNotUsable",
    "HoldAlreadyExtended",
    "HoldEnded",
    "HoldExtensionsOff",
    "HoldNotExtendable",
    "MixedCurrencies",
    "NewOrder",
    "NotPayable",
    "NotRefundable",
    "NothingForSale",
    "OpenOrder",
    "OrderAlreadyShipped",
    "OrderBeingConfirmed",
    "OrderHasNoLinks",
    "OrderIsCanceled",
    "PricedOrder",
    "Quote",
    "QuoteNotValid",
    "QuotedOrder",
    "RefundUnderWay",
    "RefusedCode",
    "RegionNotKnown",
    "ShippingOptionNotOffered",
    "TooManyOpenOrders",
    "TooMuchHeldUnpaid",
    "TotalChanged",
    "Unavailable",
    "advance_order",
    "announce_partial_refund",
    "announce_returned_refund",
    "begin_to_wait",
    "extend_hold",
    "extensions_left",
    "find_placed_order",
    "hurry_sagas",
    "link_to",
    "note_parcel_delivered",
    "note_parcel_dispatched",
    "open_by",
    "place_order",
    "postpone_saga",
    "price_order",
    "provide_payment_method",
    "quote_order",
    "read_quote",
    "refuse_extension",
    "refuse_order",
    "request_cancel",
    "rests_on_the_way_back",
    "resume_saga_now",
    "revoke_links",
    "saga_attempts",
    "ship_instead",
    "suspend_saga",
]
