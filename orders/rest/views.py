"""The views of orders. A customer sees their own orders only; staff with permission see all."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orders import services
from orders.models import Order
from orders.queries import OrderState, get_order, order_state, orders_with_details
from orders.rest.answers import answer_checkout, represent, tag_of
from orders.rest.serializers import (
    NothingSerializer,
    OrderOut,
    OrderPageOut,
    PaymentMethodSerializer,
    PlaceOrderSerializer,
    RefundSerializer,
    address_of,
)
from orders.rules import CancelReason
from orders.sagas.run import cancel_order, place_order, refund_part, resume
from payments import api as payments
from shop.accounts import User
from shop.errors import Fault
from shop.rest.idempotency import idempotent
from shop.rest.pagination import PAGE_PARAMETERS, CursorPagination
from shop.rest.preconditions import conditional_response, etag_of, require_match
from shop.rest.problem import problem_of
from shop.staff import log_action

PREFER = OpenApiParameter(
    "Prefer", str, OpenApiParameter.HEADER, description="`respond-async`: answer 202 at once instead of waiting"
)
CHECKOUT_ANSWERS = {
    201: OpenApiResponse(OrderOut, description="Confirmed, or waiting for the customer (see next_action)"),
    202: OpenApiResponse(OrderOut, description="Recorded and under way: follow Location"),
    402: OpenApiResponse(description="The card was declined; facts.order_id names the order"),
    409: OpenApiResponse(description="Out of stock, or the total has changed"),
    429: OpenApiResponse(description="Too many requests, or too many unpaid orders: pay or cancel one of them"),
    503: OpenApiResponse(description="A dependency is down; repeat with the same Idempotency-Key after Retry-After"),
}


class CustomerRequest(Request):
    """A request of somebody signed in, for the type checker; the key is there in views that are `idempotent`."""

    user: User
    idempotency_key: str
    idempotency_fingerprint: str


def _visible_order(request: Request, order_id: uuid.UUID) -> OrderState:
    """Return the order if it is the caller's, or the caller is staff who may see all. Raises: OrderNotFound."""
    may_see_all = request.user.is_staff and request.user.has_perm("orders.view_order")
    return get_order(order_id=order_id, customer_id=None if may_see_all else request.user.pk)


def _validated(kind: type[Any], request: Request) -> dict[str, Any]:
    serializer = kind(data=request.data)
    serializer.is_valid(raise_exception=True)
    validated: dict[str, Any] = serializer.validated_data
    return validated


def _note_staff(request: Request, order_id: uuid.UUID, did: str) -> None:
    log_action(staff=request.user, obj=Order.objects.get(pk=order_id), message=did)


class OrdersView(APIView):
    """The caller's orders."""

    @extend_schema(
        operation_id="place_order", request=PlaceOrderSerializer, responses=CHECKOUT_ANSWERS, parameters=[PREFER]
    )
    @idempotent
    def post(self, request: CustomerRequest) -> Response:
        """Place an order: record it, reserve its stock, charge its card, confirm it."""
        body = _validated(PlaceOrderSerializer, request)
        waits = "respond-async" not in request.headers.get("Prefer", "").lower()
        order_id = place_order(
            customer_id=request.user.pk,
            idempotency_key=request.idempotency_key,
            fingerprint=request.idempotency_fingerprint,
            lines=[(line["sku"], line["quantity"]) for line in body["lines"]],
            email=body.get("email") or request.user.email,
            shipping_address=address_of(body["shipping_address"]),
            payment_method=body.get("payment_method", ""),
            expected_total=body.get("expected_total"),
            inline=waits,
        )
        fault = resume(order_id=order_id).fault if waits else None
        response = answer_checkout(request, get_order(order_id=order_id), fault=fault)
        if not waits:
            response["Preference-Applied"] = "respond-async"
        return response

    @extend_schema(operation_id="list_orders", responses=OrderPageOut, parameters=PAGE_PARAMETERS)
    def get(self, request: CustomerRequest) -> Response:
        """List the caller's orders, newest first."""
        pages = CursorPagination()
        rows = pages.paginate_queryset(orders_with_details().filter(customer_id=request.user.pk), request, view=self)
        found = payments.get_payments(order_ids=[row.pk for row in rows or ()])
        page = pages.get_paginated_response(
            [represent(order_state(row), payment=found.get(row.pk)) for row in rows or ()]
        )
        # Addresses: a cache on the way may otherwise keep what a token in X-Session-Token asked for.
        page["Cache-Control"] = "no-store"
        return page


class OrderView(APIView):
    """One order."""

    @extend_schema(operation_id="get_order", responses=OrderOut)
    def get(self, request: Request, order_id: uuid.UUID) -> Response:
        """Return an order; with If-None-Match 304 while it has not changed."""
        order = _visible_order(request, order_id)
        body = represent(order, payment=payments.get_payment(order_id=order_id))
        return conditional_response(request, body, version=tag_of(body))


class OrderPaymentView(APIView):
    """How an order is paid."""

    @extend_schema(operation_id="pay_order", request=PaymentMethodSerializer, responses=CHECKOUT_ANSWERS)
    @idempotent
    def post(self, request: Request, order_id: uuid.UUID) -> Response:
        """Give an order its payment method, or go on after the customer has authenticated."""
        body = _validated(PaymentMethodSerializer, request)
        order = _visible_order(request, order_id)
        if order.customer_id != request.user.pk:
            raise PermissionDenied
        if body.get("payment_method") and not (order.cancel_reason or order.confirmed_at):
            services.provide_payment_method(order_id=order_id, payment_method=body["payment_method"])
        reached = resume(order_id=order_id)
        return answer_checkout(request, get_order(order_id=order_id), fault=reached.fault)


class OrderCancelView(APIView):
    """The end of an order before its parcel leaves."""

    @extend_schema(
        operation_id="cancel_order",
        request=NothingSerializer,
        responses={
            200: OpenApiResponse(OrderOut, description="Canceled, or refunded"),
            202: OpenApiResponse(OrderOut, description="Being canceled: follow Location"),
            409: OpenApiResponse(description="Being confirmed this moment, or shipped already"),
        },
    )
    @idempotent
    def post(self, request: Request, order_id: uuid.UUID) -> Response:
        """Cancel an order; a confirmed one gets all its money back."""
        _validated(NothingSerializer, request)
        order = _visible_order(request, order_id)
        if "If-Match" in request.headers:
            require_match(request, tag_of(represent(order, payment=payments.get_payment(order_id=order_id))))
        own = order.customer_id == request.user.pk
        if not own and not request.user.has_perm("orders.cancel_order"):
            raise PermissionDenied
        try:
            order = cancel_order(
                order_id=order_id, reason=CancelReason.CUSTOMER_REQUEST if own else CancelReason.STAFF_REQUEST
            )
        except services.OrderBeingConfirmed as refusal:
            response = problem_of(refusal).response()
            response["Retry-After"] = "2"
            response.is_final = False  # type: ignore[attr-defined]
            return response
        if not own:
            _note_staff(request, order_id, f"canceled over the API: {order.status}")
        done = order.status in ("CANCELED", "REFUNDED")
        represented = represent(order, payment=payments.get_payment(order_id=order_id))
        return Response(
            represented,
            status=status.HTTP_200_OK if done else status.HTTP_202_ACCEPTED,
            headers={"ETag": etag_of(tag_of(represented)), "Cache-Control": "no-store"},
        )


class OrderRefundsView(APIView):
    """Money returned while the order goes on; for staff."""

    @extend_schema(operation_id="refund_order", request=RefundSerializer, responses={201: OrderOut})
    @idempotent
    def post(self, request: CustomerRequest, order_id: uuid.UUID) -> Response:
        """Return a part of an order's money."""
        if not (request.user.is_staff and request.user.has_perm("orders.refund_order")):
            raise PermissionDenied
        body = _validated(RefundSerializer, request)
        try:
            order = refund_part(
                order_id=order_id, operation=request.idempotency_key, amount=body["amount"], reason=body["reason"]
            )
        except Fault as fault:
            _note_staff(
                request, order_id, f"refund of {body['amount']} over the API, its outcome unknown: {fault.code}"
            )
            raise
        _note_staff(request, order_id, f"refunded {body['amount']} over the API")
        return Response(
            represent(order, payment=payments.get_payment(order_id=order_id)), status=status.HTTP_201_CREATED
        )
