"""What a customer is told about an order: its representation, and the outcome of checkout as a status code."""

from __future__ import annotations

import hashlib
import json
import uuid
from datetime import UTC, datetime
from typing import Any

from rest_framework import status
from rest_framework.response import Response
from rest_framework.reverse import reverse

from orders.models import OrderStatus
from orders.queries import OrderProgress, OrderState, get_order
from orders.rules import CancelReason
from orders.sagas.engine import Reached
from orders.services import OrderIsCanceled
from payments import api as payments
from shop.errors import Fault
from shop.money import Money
from shop.rest.idempotency import Answer, NotFinal, response_of
from shop.rest.preconditions import etag_of
from shop.rest.problem import Problem, money_json, problem_of

UNDER_WAY = {OrderStatus.PENDING, OrderStatus.CONFIRMING, OrderStatus.CANCELING, OrderStatus.REFUNDING}
# The answer did not come, the order lives and is being asked after: neither a failure nor a reason to try again.
UNDECIDED = "payment_unknown"
# Refusals of the one payment method that was tried.
OF_A_PAYMENT_METHOD = {
    payments.CardDeclined.code,
    payments.PaymentMethodRefused.code,
    payments.PaymentRefusedByProvider.code,
}


def represent(order: OrderState, *, payment: payments.PaymentState | None) -> dict[str, Any]:
    """Return the order as the API writes it: what OrderOut describes, field by field, at a tenth of its cost."""
    return {
        "id": str(order.order_id),
        "number": order.number,
        "status": order.status,
        "next_action": next_action(order, payment),
        "total": money_json(order.total),
        "lines": [
            {
                "sku": line.sku,
                "name": line.name,
                "quantity": line.quantity,
                "unit_price": money_json(line.unit_price),
                "line_total": money_json(line.line_total),
            }
            for line in order.lines
        ],
        "email": order.email,
        "shipping_address": dict(vars(order.shipping_address)),
        "placed_at": moment(order.placed_at),
        "pay_before": moment(order.pay_before),
        "confirmed_at": None if order.confirmed_at is None else moment(order.confirmed_at),
        "cancel_reason": order.cancel_reason or None,
        "carrier": order.carrier,
        # What stands in its place is for the tables: a parcel that left has a number there.
        "tracking_number": "" if order.erased else order.tracking_number,
        "payment": None if payment is None else _represent_payment(payment, currency=order.total.currency),
    }


def _represent_payment(payment: payments.PaymentState, *, currency: str) -> dict[str, Any]:
    """Return a payment as PaymentOut describes it.

    One that was closed before it began has no currency of its own: nothing is nothing in the order's `currency`.
    """
    nothing = None if payment.has_currency else money_json(Money.zero(currency))
    secret = {"client_secret": payment.client_secret} if payment.client_secret else {}
    return {
        "status": payment.status,
        "captured": nothing or money_json(payment.captured),
        "refunded": nothing or money_json(payment.refunded),
        "owed": nothing or money_json(payment.owed),
        "lost": nothing or money_json(payment.lost),
        "dispute": payment.dispute,
        **secret,
    }


def moment(at: datetime) -> str:
    """Return a moment as the API writes it: ISO 8601, in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def tag_of(body: dict[str, Any]) -> str:
    """Return the entity tag of a representation: of what it says, since a payment changes beside its order.

    The client_secret is left out: it is not stored, and only answers that have just asked the provider hold it.
    """
    payment = {name: value for name, value in (body["payment"] or {}).items() if name != "client_secret"}
    text = json.dumps(body | {"payment": payment}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def next_action(order: OrderState, payment: payments.PaymentState | None) -> str:
    """Return what the storefront does next with this order."""
    if order.status == OrderStatus.AWAITING_PAYMENT:
        if not order.has_payment_method:
            return "provide_payment_method"
        return "authenticate" if payment is not None and payment.status == "REQUIRES_ACTION" else "wait"
    return "wait" if order.status in UNDER_WAY else "none"


def answer_recorded(request: Any, placed: OrderProgress) -> Answer:
    """Answer a request that does not wait: 202, or how an order stands that its key had placed before."""
    if placed.known is not None:
        answer = _answer(request, placed.known, payment=None)
    else:
        answer = answer_checkout(request, Reached(placed.status), order_id=placed.order_id)
    response_of(answer)["Preference-Applied"] = "respond-async"
    return answer


def answer_checkout(request: Any, reached: Reached, *, order_id: uuid.UUID, untried: bool = False) -> Answer:
    """Answer a request to place or pay an order, by how far its walk came.

    201 confirmed, or waiting for the customer; 202 under way; 402 declined; 409 canceled for another reason; 503 a
    dependency is down. Each names the order, which is recorded in every case. `untried`: the request brought a payment
    method that was never tried, since the order was canceled already.
    """
    order = reached.order or get_order(order_id=order_id)
    if order.status in (OrderStatus.CANCELING, OrderStatus.CANCELED):
        response = refused(order, untried=untried).response()
        response["Location"] = _location(request, order)
        return response
    payment = reached.payment or payments.get_payment(order_id=order_id)
    fault = reached.fault
    if payment is not None and payment.status == "REQUIRES_ACTION" and not payment.client_secret:
        try:
            payment = payments.refresh_payment(order_id=order_id)
        except Fault as unanswered:
            # The order is recorded and waits; only what its customer authenticates with could not be had.
            fault = fault or unanswered
    return _answer(request, order, payment=payment, fault=fault)


def _answer(
    request: Any, order: OrderState, *, payment: payments.PaymentState | None, fault: Fault | None = None
) -> Answer:
    action = next_action(order, payment)
    waits_for_customer = action == "provide_payment_method" or (
        action == "authenticate" and payment is not None and bool(payment.client_secret)
    )
    if fault is not None and fault.code != UNDECIDED and not waits_for_customer:
        response = problem_of(fault, order_id=str(order.order_id), order_status=order.status).response()
        response["Location"] = _location(request, order)
        return response
    decided = order.status not in UNDER_WAY | {OrderStatus.AWAITING_PAYMENT}
    body = represent(order, payment=payment)
    response = Response(
        body,
        status=status.HTTP_201_CREATED if decided or waits_for_customer else status.HTTP_202_ACCEPTED,
        headers=headers_of(request, order, represented=body),
    )
    if response.status_code == status.HTTP_202_ACCEPTED:
        response["Retry-After"] = "1"
    # The answer to a repeated request is kept only once nothing can change it any more.
    return response if decided else NotFinal(response)


def headers_of(request: Any, order: OrderState, *, represented: dict[str, Any]) -> dict[str, str]:
    """Return the headers of an answer that made or changed an order: where it is, as which version, and no caching."""
    return {"Location": _location(request, order), "ETag": etag_of(tag_of(represented)), "Cache-Control": "no-store"}


def _location(request: Any, order: OrderState) -> str:
    return reverse("order", kwargs={"order_id": order.order_id}, request=request)


def refused(order: OrderState, *, untried: bool = False) -> Problem:
    """Return why the order was canceled, as a problem that names it.

    What the provider said of an earlier payment method is not told of one that was never tried.
    """
    facts = dict(order.refusal or {})
    untried = untried and facts.get("code") in OF_A_PAYMENT_METHOD
    if untried:
        facts = {"detail": "The order was canceled before; this payment method was not tried"}
    code = str(facts.pop("code", OrderIsCanceled.code))
    detail = str(facts.pop("detail", "")) or OrderIsCanceled.title
    declined = order.cancel_reason == CancelReason.CARD_DECLINED and not untried
    return Problem(
        code=code,
        title="The card was declined" if declined else OrderIsCanceled.title,
        status=status.HTTP_402_PAYMENT_REQUIRED if declined else status.HTTP_409_CONFLICT,
        detail=detail,
        facts=facts
        | {"order_id": str(order.order_id), "order_status": order.status, "cancel_reason": order.cancel_reason},
    )
