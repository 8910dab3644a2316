"""The views of orders. A customer sees their own orders only; staff with permission see all."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import HttpRequest
from rest_framework import status
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from orders import services
from orders.models import CALLED_OFF, Order, OrderStatus
from orders.queries import (
    OrderNotFound,
    OrderProgress,
    OrderState,
    get_order,
    get_orders,
    orders_of,
    was_tried_with,
)
from orders.rest.answers import answer_checkout, answer_recorded, headers_of, tag_of
from orders.rest.declined import CardsTried
from orders.rest.documents import (
    CANCELING,
    EXTENDING,
    LISTING,
    LISTING_REFUNDS,
    PAYING,
    PLACING,
    READING,
    RECEIVING,
    REFUNDING,
)
from orders.rest.mail_links import LinkHolder, OrderTokenAuthentication
from orders.rest.quotes import count_guesses, quote_again, refuse_guessing
from orders.rest.receipts import PageRenderer, PdfRenderer, answer_receipt
from orders.rest.refunds import answer_refunds
from orders.rest.serializers import (
    NothingSerializer,
    PaymentMethodSerializer,
    PlaceOrderSerializer,
    RefundSerializer,
    new_order,
    represent,
)
from orders.rest.usual import usual_order
from orders.rules import CancelReason
from orders.sagas.entry import (
    cancel_order,
    extend_hold,
    place_order,
    provide_payment_method,
    refund_order,
    resume,
    resume_for_somebody,
)
from payments import api as payments
from shop.accounts.trail import log_action
from shop.accounts.users import User
from shop.errors import Fault
from shop.rest.admission import AdmittedView
from shop.rest.authentication import SessionTokenAuthentication
from shop.rest.idempotency import Answer, KeyedCall, NotFinal, idempotent
from shop.rest.negotiation import PreferredForm
from shop.rest.pagination import PAGE_QUERY, CursorPagination
from shop.rest.preconditions import conditional_response, etag_of, require_match
from shop.rest.problem import problem_of
from shop.rest.query import StrictQueryView


class CustomerRequest(Request):
    """A request of somebody signed in, for the type checker."""

    user: User


def _visible_order(request: Request, order_id: uuid.UUID) -> OrderState:
    """Return the order if it is the caller's, or the caller is staff who may see all. Raises: OrderNotFound."""
    may_see_all = request.user.is_staff and request.user.has_perm("orders.view_order")
    return get_order(order_id=order_id, customer_id=None if may_see_all else request.user.pk)


def _require_match(request: Request, order: OrderState) -> None:
    """Insist that the caller means the order as it stands, where If-Match says which. Raises: PreconditionFailed."""
    if "If-Match" in request.headers:
        require_match(request, tag_of(represent(order, payment=payments.get_payment(order_id=order.order_id))))


def _own_order(request: Request, order_id: uuid.UUID) -> OrderState:
    """Return an order that only its customer may act on. Raises: OrderNotFound, PermissionDenied, PreconditionFailed."""
    order = _visible_order(request, order_id)
    if not order.is_of(request.user.pk):
        raise PermissionDenied
    _require_match(request, order)
    return order


def _responds_async(request: HttpRequest | Request) -> bool:
    return "respond-async" in request.headers.get("Prefer", "").lower()


def _note_staff(request: Request, order_id: uuid.UUID, did: str) -> None:
    log_action(staff=request.user, obj=Order.objects.get(pk=order_id), message=did)


class OrdersView(AdmittedView):
    """The caller's orders."""

    query_parameters = {"GET": PAGE_QUERY}

    def works_on_order(self, request: HttpRequest) -> bool:
        """Return whether the order is walked in the request: with `respond-async` it is only recorded."""
        return request.method == "POST" and not _responds_async(request)

    @PLACING
    @idempotent
    def post(self, request: CustomerRequest, call: KeyedCall) -> Answer:
        """Place an order: record it, reserve its stock, charge its card, confirm it."""
        body = usual_order(request.data) or PlaceOrderSerializer.read(request.data)
        waits = not _responds_async(request)
        new = new_order(body, customer=request.user, call=call)
        method = new.payment_method
        cards = CardsTried(request, guest_at=new.email if new.by_guest else None)
        if method:
            cards.refuse_too_many()
        placed = self._place(request, new, inline=waits)
        if waits:
            reached = resume(order_id=placed.order_id, placed=placed)
            answer = answer_checkout(request, reached, order_id=placed.order_id, payment_method=method)
        else:
            answer = answer_recorded(request, placed)
        if method:
            cards.note(answer, order_id=placed.order_id, payment_method=method)
        return answer

    def _place(self, request: CustomerRequest, new: services.NewOrder, *, inline: bool) -> OrderProgress:
        """Place the order; whoever sends too many codes that do not exist is stopped. Raises: as `place_order`."""
        if new.codes:
            refuse_guessing(request)
        try:
            return place_order(new=new, inline=inline)
        except services.CodeNotUsable as refusal:
            count_guesses(request, (refusal.refused,))
            raise
        except services.TotalChanged as refusal:
            if new.quote is None:
                raise
            raise services.TotalChanged(refusal.detail, **refusal.facts, quote=quote_again(new)) from refusal

    @LISTING
    def get(self, request: CustomerRequest) -> Response:
        """List the caller's orders, newest first."""
        pages = CursorPagination()
        rows = pages.paginate_queryset(
            orders_of(customer_id=request.user.pk, is_guest=request.user.is_guest), request, view=self
        )
        order_ids = [row.pk for row in rows or ()]
        paid = payments.get_payments(order_ids=order_ids)
        page = pages.get_paginated_response(
            [represent(order, payment=paid.get(order.order_id)) for order in get_orders(order_ids=order_ids)]
        )
        # Addresses: a cache on the way may otherwise keep what a token in X-Session-Token asked for.
        page["Cache-Control"] = "no-store"
        return page


class OneOrderView(StrictQueryView):
    """What the link in a mail is for."""

    authentication_classes = [OrderTokenAuthentication, SessionTokenAuthentication]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let the caller in; who holds the link of one order has none of the same customer's others. Raises: OrderNotFound.

        It is judged here, since an answer that is kept under the customer's key is given before the order is looked at.
        """
        super().initial(request, *args, **kwargs)
        if isinstance(request.user, LinkHolder) and request.user.order_id != kwargs["order_id"]:
            raise OrderNotFound(order_id=str(kwargs["order_id"]))


class OrderView(OneOrderView):
    """One order."""

    @READING
    def get(self, request: Request, order_id: uuid.UUID) -> Response:
        """Return an order; with If-None-Match 304 while it has not changed."""
        order = _visible_order(request, order_id)
        body = represent(order, payment=payments.get_payment(order_id=order_id))
        return conditional_response(request, body, version=tag_of(body))


class OrderReceiptView(OneOrderView):
    """The receipt of an order."""

    renderer_classes = (PageRenderer, PdfRenderer)
    content_negotiation_class = PreferredForm

    @RECEIVING
    def get(self, request: Request, order_id: uuid.UUID) -> Response:
        """Return the receipt of a confirmed order, as a page or as PDF; with If-None-Match 304 while it has not changed."""
        order = _visible_order(request, order_id)
        return answer_receipt(request, order, payment=payments.get_payment(order_id=order_id))


class OrderPaymentView(OneOrderView, AdmittedView):
    """How an order is paid."""

    @PAYING
    @idempotent
    def post(self, request: Request, call: KeyedCall, order_id: uuid.UUID) -> Answer:
        """Give an order its payment method, or go on after the customer has authenticated."""
        body = PaymentMethodSerializer.read(request.data)
        order = _own_order(request, order_id)
        untried, method = False, body.get("payment_method", "")
        # Links are for the orders of guests.
        by_guest = not isinstance(request.user, User) or request.user.is_guest
        cards = CardsTried(request, guest_at=order.email if by_guest else None)
        if method:
            cards.refuse_too_many()
            if not (order.cancel_reason or order.confirmed_at):
                try:
                    provide_payment_method(order=order, payment_method=method)
                except services.NotPayable as refusal:
                    # The card that is tried now may be declined, and this one be taken then.
                    return NotFinal(problem_of(refusal).response())
            untried = bool(order.cancel_reason) and not was_tried_with(order_id=order_id, payment_method=method)
        reached = resume_for_somebody(order_id=order_id)
        answer = answer_checkout(request, reached, order_id=order_id, untried=untried, payment_method=method)
        if method and not untried:
            cards.note(answer, order_id=order_id, payment_method=method)
        return answer


class OrderHoldView(OneOrderView):
    """How long an order may be paid."""

    @EXTENDING
    @idempotent
    def post(self, request: Request, call: KeyedCall, order_id: uuid.UUID) -> Answer:
        """Give an order that waits for its payment more time, once: its stock and discount codes stay held until the new `pay_before`."""
        NothingSerializer.read(request.data)
        order = _own_order(request, order_id)
        try:
            order = extend_hold(order=order, operation_id=call.operation_id("extend hold"))
        except services.HoldNotExtendable as refusal:
            if refusal.facts["status"] != OrderStatus.PENDING:
                raise
            # Its stock may be reserved a moment later.
            return NotFinal(problem_of(refusal).response())
        represented = represent(order, payment=payments.get_payment(order_id=order_id))
        return Response(represented, headers={"ETag": etag_of(tag_of(represented)), "Cache-Control": "no-store"})


class OrderCancelView(OneOrderView, AdmittedView):
    """The end of an order before its parcel leaves."""

    @CANCELING
    @idempotent
    def post(self, request: Request, call: KeyedCall, order_id: uuid.UUID) -> Answer:
        """Cancel an order; a confirmed one gets all its money back."""
        NothingSerializer.read(request.data)
        order = _visible_order(request, order_id)
        _require_match(request, order)
        own = order.is_of(request.user.pk)
        if not own and not request.user.has_perm("orders.cancel_order"):
            raise PermissionDenied
        try:
            order = cancel_order(
                order_id=order_id, reason=CancelReason.CUSTOMER_REQUEST if own else CancelReason.STAFF_REQUEST
            )
        except services.OrderBeingConfirmed as refusal:
            response = problem_of(refusal).response()
            response["Retry-After"] = "2"
            return NotFinal(response)
        if not own:
            _note_staff(request, order_id, f"canceled over the API: {order.status}")
        done = order.status in CALLED_OFF
        represented = represent(order, payment=payments.get_payment(order_id=order_id))
        return Response(
            represented,
            status=status.HTTP_200_OK if done else status.HTTP_202_ACCEPTED,
            headers={
                "ETag": etag_of(tag_of(represented)),
                "Cache-Control": "no-store",
                **({} if done else {"Retry-After": "1"}),
            },
        )


class OrderRefundsView(StrictQueryView):
    """Money returned while the order goes on: seen by its customer and by staff, made by staff."""

    query_parameters = {"GET": PAGE_QUERY}

    @LISTING_REFUNDS
    def get(self, request: Request, order_id: uuid.UUID) -> Response:
        """List the refunds of an order, newest first."""
        order = _visible_order(request, order_id)
        sees_reasons = request.user.is_staff and request.user.has_perm("orders.view_order")
        page = answer_refunds(request, order_id=order.order_id, with_reasons=sees_reasons)
        page["Cache-Control"] = "no-store"
        return page

    @REFUNDING
    @idempotent
    def post(self, request: CustomerRequest, call: KeyedCall, order_id: uuid.UUID) -> Answer:
        """Return a part of an order's money. For staff with the permission `orders.refund_order` only; customers get 403."""
        if not (request.user.is_staff and request.user.has_perm("orders.refund_order")):
            raise PermissionDenied
        body = RefundSerializer.read(request.data)
        if "If-Match" in request.headers:
            _require_match(request, get_order(order_id=order_id))
        try:
            order = refund_order(
                order_id=order_id,
                operation=str(call.operation_id()),
                amount=body["amount"],
                reason=body["reason"],
                formerly=call.key,
            )
        except Fault as fault:
            _note_staff(
                request, order_id, f"refund of {body['amount']} over the API, its outcome unknown: {fault.code}"
            )
            raise
        _note_staff(request, order_id, f"refunded {body['amount']} over the API")
        represented = represent(order, payment=payments.get_payment(order_id=order_id))
        return Response(
            represented, status=status.HTTP_201_CREATED, headers=headers_of(request, order, represented=represented)
        )
