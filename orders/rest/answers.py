"""What a customer is told about an order: its representation, and the outcome of checkout as a status code."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from rest_framework import status
from rest_framework.response import Response
from rest_framework.reverse import reverse

from orders.models import OrderStatus
from orders.queries import OrderState
from orders.rest.serializers import OrderOut
from orders.rules import CancelReason
from orders.services import OrderIsCanceled
from payments import api as payments
from shop.errors import Fault
from shop.rest.preconditions import etag_of
from shop.rest.problem import Problem, problem_of

UNDER_WAY = {OrderStatus.PENDING, OrderStatus.CONFIRMING, OrderStatus.CANCELING, OrderStatus.REFUNDING}
# The answer did not come, the order lives and is being asked after: neither a failure nor a reason to try again.
UNDECIDED = "payment_unknown"


def represent(order: OrderState, *, payment: payments.PaymentState | None) -> dict[str, Any]:
    """Return the order as the API writes it."""
    body: dict[str, Any] = dict(OrderOut(_Represented(order, payment)).data)
    if body["payment"] is not None and body["payment"].get("client_secret") is None:
        del body["payment"]["client_secret"]
    return body


def tag_of(body: dict[str, Any]) -> str:
    """Return the entity tag of a representation: of what it says, since a payment changes beside its order.

    The client_secret is left out: it is not stored, and only answers that have just asked the provider hold it.
    """
    payment = {name: value for name, value in (body["payment"] or {}).items() if name != "client_secret"}
    text = json.dumps(body | {"payment": payment}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class _Represented:
    """The order with what only the API adds."""

    def __init__(self, order: OrderState, payment: payments.PaymentState | None) -> None:
        self._order = order
        self.payment = None if payment is None else _RepresentedPayment(payment)
        self.next_action = next_action(order, payment)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._order, name)


class _RepresentedPayment:
    def __init__(self, payment: payments.PaymentState) -> None:
        self.status = payment.status
        self.captured = payment.captured
        self.refunded = payment.refunded
        self.client_secret = payment.client_secret or None


def next_action(order: OrderState, payment: payments.PaymentState | None) -> str:
    """Return what the storefront does next with this order."""
    if order.status == OrderStatus.AWAITING_PAYMENT:
        if not order.has_payment_method:
            return "provide_payment_method"
        return "authenticate" if payment is not None and payment.status == "REQUIRES_ACTION" else "wait"
    return "wait" if order.status in UNDER_WAY else "none"


def answer_checkout(request: Any, order: OrderState, *, fault: Fault | None) -> Response:
    """Answer a request to place or pay an order.

    201 confirmed, or waiting for the customer; 202 under way; 402 declined; 409 canceled for another reason; 503 a
    dependency is down. Each names the order, which is recorded in every case.
    """
    location = reverse("order", kwargs={"order_id": order.order_id}, request=request)
    if order.status in (OrderStatus.CANCELING, OrderStatus.CANCELED):
        response = refused(order).response()
        response["Location"] = location
        return response
    payment = payments.get_payment(order_id=order.order_id)
    if payment is not None and payment.status == "REQUIRES_ACTION":
        try:
            payment = payments.refresh_payment(order_id=order.order_id)
        except Fault as unanswered:
            # The order is recorded and waits; only what its customer authenticates with could not be had.
            fault = fault or unanswered
    action = next_action(order, payment)
    waits_for_customer = action == "provide_payment_method" or (
        action == "authenticate" and payment is not None and bool(payment.client_secret)
    )
    if fault is not None and fault.code != UNDECIDED and not waits_for_customer:
        response = problem_of(fault, order_id=str(order.order_id), order_status=order.status).response()
        response["Location"] = location
        return response
    decided = order.status not in UNDER_WAY | {OrderStatus.AWAITING_PAYMENT}
    body = represent(order, payment=payment)
    response = Response(
        body,
        status=status.HTTP_201_CREATED if decided or waits_for_customer else status.HTTP_202_ACCEPTED,
        headers={"Location": location, "ETag": etag_of(tag_of(body)), "Cache-Control": "no-store"},
    )
    if response.status_code == status.HTTP_202_ACCEPTED:
        response["Retry-After"] = "1"
    # The answer to a repeated request is kept only once nothing can change it any more.
    response.is_final = decided  # type: ignore[attr-defined]
    return response


def refused(order: OrderState) -> Problem:
    """Return why the order was canceled, as a problem that names it."""
    facts = dict(order.refusal or {})
    code = str(facts.pop("code", OrderIsCanceled.code))
    detail = str(facts.pop("detail", "")) or OrderIsCanceled.title
    declined = order.cancel_reason == CancelReason.CARD_DECLINED
    return Problem(
        code=code,
        title="The card was declined" if declined else OrderIsCanceled.title,
        status=status.HTTP_402_PAYMENT_REQUIRED if declined else status.HTTP_409_CONFLICT,
        detail=detail,
        facts=facts
        | {"order_id": str(order.order_id), "order_status": order.status, "cancel_reason": order.cancel_reason},
    )
