"""What a customer is told of the outcome of checkout: a status code, the order or a problem, and their headers."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any

from rest_framework import status
from rest_framework.response import Response
from rest_framework.reverse import reverse

from orders.models import DECIDED, NEVER_PAID
from orders.queries import OrderProgress, OrderState, get_order
from orders.rest.serializers import next_action, represent
from orders.rules import CancelReason
from orders.sagas.engine import Reached
from orders.services import OrderIsCanceled
from payments import api as payments
from shop.errors import Fault
from shop.rest.idempotency import Answer, NotFinal, response_of
from shop.rest.preconditions import etag_of
from shop.rest.problem import Problem, problem_of

# The answer did not come, the order lives and is being asked after: neither a failure nor a reason to try again.
UNDECIDED = "payment_unknown"
PROVIDE = "provide_payment_method"
# Refusals of the one payment method that was tried.
OF_A_PAYMENT_METHOD = {
    payments.CardDeclined.code,
    payments.PaymentMethodRefused.code,
    payments.PaymentRefusedByProvider.code,
}


def tag_of(body: dict[str, Any]) -> str:
    """Return the entity tag of a representation: of what it says, since a payment changes beside its order.

    The client_secret is left out: it is not stored, and only answers that have just asked the provider hold it.
    """
    payment = {name: value for name, value in (body["payment"] or {}).items() if name != "client_secret"}
    text = json.dumps(body | {"payment": payment}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def answer_recorded(request: Any, placed: OrderProgress) -> Answer:
    """Answer a request that does not wait: 202, or how an order stands that its key had placed before."""
    if placed.known is not None:
        answer = _answer(request, placed.known, payment=None)
    else:
        answer = answer_checkout(request, Reached(placed.status), order_id=placed.order_id)
    response_of(answer)["Preference-Applied"] = "respond-async"
    return answer


def answer_checkout(
    request: Any, reached: Reached, *, order_id: uuid.UUID, untried: bool = False, payment_method: str = ""
) -> Answer:
    """Answer a request to place or pay an order, by how far its walk came.

    201 confirmed, or waiting for the customer; 202 under way; 402 declined; 409 canceled for another reason; 503 a
    dependency is down. Each names the order, which is recorded in every case. `payment_method`: what the request brought;
    `untried`: it was never tried, since the order was canceled already.
    """
    order = reached.order or get_order(order_id=order_id)
    if order.status in NEVER_PAID:
        response = explain_cancel(order, untried=untried).response()
        response["Location"] = _location(request, order)
        return response
    payment = reached.payment or payments.get_payment(order_id=order_id)
    if payment is not None and _waits_for_another(order, payment):
        return _answer_decline(request, order, payment=payment, payment_method=payment_method)
    fault = reached.fault
    if payment is not None and payment.status == payments.PaymentStatus.REQUIRES_ACTION and not payment.client_secret:
        try:
            payment = payments.refresh_payment(order_id=order_id)
        except Fault as unanswered:
            # The order is recorded and waits; only what its customer authenticates with is not available.
            fault = fault or unanswered
    return _answer(request, order, payment=payment, fault=fault)


def _waits_for_another(order: OrderState, payment: payments.PaymentState) -> bool:
    return payment.status == payments.PaymentStatus.DECLINED and next_action(order, payment) == PROVIDE


def _answer_decline(
    request: Any, order: OrderState, *, payment: payments.PaymentState, payment_method: str
) -> NotFinal:
    """Answer that the card was declined and another one may follow. Once it has, the same request is answered otherwise."""
    response = problem_of(
        payments.explain_decline(payment=payment, payment_method=payment_method),
        order_id=str(order.order_id),
        order_status=order.status,
        next_action=PROVIDE,
    ).response()
    response["Location"] = _location(request, order)
    return NotFinal(response)


def _answer(
    request: Any, order: OrderState, *, payment: payments.PaymentState | None, fault: Fault | None = None
) -> Answer:
    action = next_action(order, payment)
    waits_for_customer = action == PROVIDE or (
        action == "authenticate" and payment is not None and bool(payment.client_secret)
    )
    if fault is not None and fault.code != UNDECIDED and not waits_for_customer:
        response = problem_of(fault, order_id=str(order.order_id), order_status=order.status).response()
        response["Location"] = _location(request, order)
        return response
    decided = order.status in DECIDED
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


def explain_cancel(order: OrderState, *, untried: bool = False) -> Problem:
    """Return why the order was canceled, as a problem that names it.

    What the provider said of an earlier payment method is not told of one that was never tried.
    """
    facts = dict(order.refusal or {})
    untried = untried and facts.get("code") in OF_A_PAYMENT_METHOD
    if untried:
        facts = {"detail": "The order was already canceled; this payment method was not tried"}
    if "attempts_left" in facts:
        facts["attempts_left"] = 0  # it was canceled, whatever might have been tried
    code = str(facts.pop("code", OrderIsCanceled.code))
    detail = str(facts.pop("detail", "")) or OrderIsCanceled.title
    declined = order.cancel_reason == CancelReason.CARD_DECLINED and not untried
    refusal = payments.CardDeclined if declined else OrderIsCanceled
    return Problem(
        code=code,
        title=refusal.title,
        status=refusal.http_status,
        detail=detail,
        facts=facts
        | {"order_id": str(order.order_id), "order_status": order.status, "cancel_reason": order.cancel_reason},
    )
