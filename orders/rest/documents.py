"""What the API's description says of each call on orders: its answers, the problems by code, headers and links.

A problem that a call can answer and that is missing here fails the tests: each answer of theirs is held against the
description (tests/contract.py).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema

from inventory import api as inventory
from orders import services
from orders.gateways import TaxServiceUnavailable
from orders.queries import OrderNotFound
from orders.receipts import ReceiptNotReady
from orders.rest.declined import TooManyDeclined
from orders.rest.serializers import (
    NothingSerializer,
    OrderOut,
    OrderPageOut,
    PaymentMethodSerializer,
    PlaceOrderSerializer,
    RefundPageOut,
    RefundSerializer,
)
from orders.sagas import engine, steps
from payments import api as payments
from shipping import api as shipping
from shop.coalescing import NotAnswered, QueueFull
from shop.resilience.admission import Overloaded
from shop.resilience.breaker import BreakerOpen
from shop.rest.documented import documented
from shop.rest.openapi import IF_MATCH, IF_NONE_MATCH
from shop.rest.pagination import PAGE_PARAMETERS
from shop.rest.problem_schemas import Kind

Decorator = Callable[[Any], Any]

PREFER = OpenApiParameter(
    "Prefer", str, OpenApiParameter.HEADER, description="`respond-async`: answer 202 at once instead of waiting"
)
THIS_ORDER = {"order_id": "$response.body#/id"}
THE_SAME_ORDER = {"order_id": "$request.path.order_id"}
# Of the refusals of a step these cancel the order, and name it.
CANCELS: list[Kind] = [
    inventory.InsufficientStock,
    inventory.ReservationClosed,
    inventory.UnknownProduct,
    payments.AuthorizationGone,
    payments.PaymentClosed,
    payments.PaymentMethodRefused,
    payments.PaymentRefusedByProvider,
    payments.UnchargeableAmount,
    engine.PaymentDeadlinePassed,
    engine.PaymentUnavailable,
    services.OrderIsCanceled,
    services.TooMuchHeldUnpaid,
]
CANCELED = {"order_id": uuid.UUID, "order_status": str, "cancel_reason": str}
RECORDED = {"order_id": uuid.UUID, "order_status": str}
INVENTORY_FAULTS: list[Kind] = [
    BreakerOpen,
    inventory.InventoryBusy,
    inventory.InventoryUnavailable,
    NotAnswered,
    QueueFull,
]
PROVIDER_FAULTS: list[Kind] = [payments.PaymentProviderUnavailable, payments.PaymentUnknown]
WALK_FAULTS: list[Kind] = [
    Overloaded,
    *INVENTORY_FAULTS,
    *PROVIDER_FAULTS,
    shipping.CarrierUnavailable,
    steps.RefundNotMade,
]
_BUSY = OpenApiResponse(
    description="Busy, or a dependency is down; repeat with the same Idempotency-Key after Retry-After"
)
_CHECKOUT: dict[int, Any] = {
    201: OpenApiResponse(OrderOut, description="Confirmed, or waiting for the customer (see next_action)"),
    202: OpenApiResponse(OrderOut, description="Recorded and under way: follow Location"),
    402: OpenApiResponse(
        description="The card was declined; facts.order_id names the order. While it waits for another payment method "
        "facts.next_action says so, and facts.attempts_left how many may be tried; else it was canceled"
    ),
    503: _BUSY,
}
_CHECKOUT_HEADERS = {
    201: ("Location", "ETag", "Cache-Control", "Preference-Applied"),
    202: ("Location", "ETag", "Cache-Control", "Preference-Applied"),
    402: ("Location",),
    409: ("Location",),
    503: ("Location",),
}
_CHECKOUT_ADDS = {402: CANCELED | {"next_action": str}, 409: CANCELED | {"next_action": str}, 503: RECORDED}
_WAS_CANCELED = (
    "The order was canceled, and facts.order_id and facts.cancel_reason say which and why: of these codes those that have "
    "facts.cancel_reason. Or nothing changed, and no order is named: "
)


def _describe(schema: Decorator, told: Decorator) -> Decorator:
    return lambda handler: told(schema(handler))


PLACING = _describe(
    extend_schema(
        operation_id="place_order",
        summary="Place an order and pay it",
        request=PlaceOrderSerializer,
        parameters=[PREFER],
        responses=_CHECKOUT
        | {
            409: OpenApiResponse(
                description=f"{_WAS_CANCELED}total_changed, code_not_usable, too_much_held_unpaid (order with a payment method, or less; facts.open_orders are "
                "the caller's own orders that count)"
            ),
            422: OpenApiResponse(
                description="The Idempotency-Key was used for another request, or the request holds a card number, or "
                "these products cannot be ordered this way. Nothing was recorded"
            ),
            429: OpenApiResponse(
                description="Too many requests, or too many unpaid orders: pay or cancel one of facts.open_orders. Or too many "
                "cards were declined: an order with a payment method is taken again after Retry-After"
            ),
        },
    ),
    documented(
        problems={
            402: [payments.CardDeclined],
            409: [*CANCELS, services.TotalChanged, services.CodeNotUsable],
            422: [
                inventory.UnknownProduct,
                services.MixedCurrencies,
                services.QuoteNotValid,
                services.RegionNotKnown,
                services.ShippingOptionNotOffered,
                shipping.NoShippingThere,
                payments.UnchargeableAmount,
            ],
            429: [services.TooManyOpenOrders, TooManyDeclined],
            503: [*WALK_FAULTS, TaxServiceUnavailable],
        },
        adds=_CHECKOUT_ADDS,
        headers=_CHECKOUT_HEADERS,
        links={
            201: dict.fromkeys(
                ("get_order", "pay_order", "extend_hold", "cancel_order", "refund_order", "list_refunds"), THIS_ORDER
            ),
            202: dict.fromkeys(("get_order", "pay_order", "cancel_order"), THIS_ORDER),
            402: {"get_order": {"order_id": "$response.body#/facts/order_id"}},
        },
    ),
)
LISTING = _describe(
    extend_schema(
        operation_id="list_orders", summary="List your orders", responses=OrderPageOut, parameters=PAGE_PARAMETERS
    ),
    documented(headers={200: ("Link", "Cache-Control")}),
)
READING = _describe(
    extend_schema(operation_id="get_order", summary="Show an order", responses=OrderOut, parameters=[IF_NONE_MATCH]),
    documented(
        problems={404: [OrderNotFound]},
        headers={200: ("ETag", "Cache-Control"), 304: ("ETag", "Cache-Control")},
        bodyless={304: "It has not changed since the caller read it."},
        links={
            200: dict.fromkeys(
                ("get_order", "pay_order", "extend_hold", "cancel_order", "refund_order", "list_refunds"), THIS_ORDER
            )
        },
    ),
)
RECEIVING = _describe(
    extend_schema(
        operation_id="get_receipt",
        summary="Show the receipt of an order",
        responses={
            (200, "text/html"): OpenApiResponse(str, description="The receipt"),
            (200, "application/pdf"): OpenApiResponse(bytes, description="The receipt"),
            409: OpenApiResponse(description="The order is not confirmed, so it has no receipt yet"),
        },
        parameters=[IF_NONE_MATCH],
    ),
    documented(
        problems={404: [OrderNotFound], 409: [ReceiptNotReady]},
        headers={200: ("ETag", "Cache-Control"), 304: ("ETag", "Cache-Control")},
        bodyless={304: "It has not changed since the caller read it."},
        links={200: {"get_order": THE_SAME_ORDER}},
    ),
)
PAYING = _describe(
    extend_schema(
        operation_id="pay_order",
        summary="Pay an order, or go on after the customer has authenticated",
        request=PaymentMethodSerializer,
        parameters=[IF_MATCH],
        responses=_CHECKOUT
        | {
            409: OpenApiResponse(description=f"{_WAS_CANCELED}order_not_payable"),
            429: OpenApiResponse(
                description="Too many requests. Or too many cards were declined: another payment method is taken after Retry-After"
            ),
        },
    ),
    documented(
        problems={
            402: [payments.CardDeclined],
            403: ["permission_denied"],
            404: [OrderNotFound],
            409: [*CANCELS, services.NotPayable],
            429: [TooManyDeclined],
            503: WALK_FAULTS,
        },
        adds=_CHECKOUT_ADDS,
        headers=_CHECKOUT_HEADERS,
        links={
            201: dict.fromkeys(("get_order", "cancel_order"), THIS_ORDER),
            202: dict.fromkeys(("get_order", "cancel_order"), THIS_ORDER),
        },
    ),
)
EXTENDING = _describe(
    extend_schema(
        operation_id="extend_hold",
        summary="Get more time to pay an order",
        request=NothingSerializer,
        parameters=[IF_MATCH],
        responses={
            200: OpenApiResponse(OrderOut, description="More time was given: see `pay_before`"),
            409: OpenApiResponse(
                description="It was given more time before, its time is over, it does not wait for its payment, or the shop "
                "gives no more time"
            ),
            503: _BUSY,
        },
    ),
    documented(
        problems={
            403: ["permission_denied"],
            404: [OrderNotFound],
            409: [
                services.HoldAlreadyExtended,
                services.HoldEnded,
                services.HoldNotExtendable,
                services.HoldExtensionsOff,
            ],
            503: INVENTORY_FAULTS,
        },
        headers={200: ("ETag", "Cache-Control")},
        links={200: dict.fromkeys(("get_order", "pay_order", "cancel_order"), THIS_ORDER)},
    ),
)
CANCELING = _describe(
    extend_schema(
        operation_id="cancel_order",
        summary="Cancel an order",
        request=NothingSerializer,
        parameters=[IF_MATCH],
        responses={
            200: OpenApiResponse(OrderOut, description="Canceled, or refunded"),
            202: OpenApiResponse(OrderOut, description="Being canceled: ask for the order"),
            409: OpenApiResponse(
                description="Being confirmed at this moment, shipped already, or disputed at the customer's bank"
            ),
            503: _BUSY,
        },
    ),
    documented(
        problems={
            403: ["permission_denied"],
            404: [OrderNotFound],
            409: [services.OrderBeingConfirmed, services.OrderAlreadyShipped, payments.PaymentDisputed],
            503: WALK_FAULTS,
        },
        headers={200: ("ETag", "Cache-Control"), 202: ("ETag", "Cache-Control"), 409: ("Retry-After",)},
        links={200: {"get_order": THIS_ORDER}, 202: {"get_order": THIS_ORDER}},
    ),
)
LISTING_REFUNDS = _describe(
    extend_schema(
        operation_id="list_refunds",
        summary="List the refunds of an order",
        responses=RefundPageOut,
        parameters=PAGE_PARAMETERS,
    ),
    documented(
        problems={404: [OrderNotFound]},
        headers={200: ("Link", "Cache-Control")},
        links={200: {"get_order": THE_SAME_ORDER}},
    ),
)
REFUNDING = _describe(
    extend_schema(
        operation_id="refund_order",
        summary="Return a part of an order's money (staff only)",
        request=RefundSerializer,
        parameters=[IF_MATCH],
        responses={
            201: OpenApiResponse(OrderOut, description="Refunded; Location is the order"),
            403: OpenApiResponse(
                description="This user is not of the staff who may refund orders, or the token came over plain HTTP."
            ),
        },
    ),
    documented(
        problems={
            403: ["permission_denied"],
            404: [OrderNotFound],
            409: [
                services.NotRefundable,
                payments.PaymentNotAuthorized,
                payments.PaymentDisputed,
                payments.RefundExceedsCapture,
                payments.RefundInOtherCurrency,
                payments.RefundRefused,
            ],
            422: [payments.RefundDiffers, payments.UnchargeableAmount],
            503: PROVIDER_FAULTS,
        },
        headers={201: ("Location", "ETag", "Cache-Control")},
        links={201: dict.fromkeys(("get_order", "list_refunds"), THIS_ORDER)},
    ),
)
