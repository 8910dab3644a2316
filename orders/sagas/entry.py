"""The ways into the sagas: for a request, for the sweep, for staff."""

from __future__ import annotations

import uuid

import structlog
from django.conf import settings

from inventory import api as inventory
from orders import services
from orders.gateways import inventory_breaker
from orders.models import CALLED_OFF, PAID, SENT, OrderStatus
from orders.queries import OrderProgress, OrderState, get_order, get_progress
from orders.rules import CancelReason
from orders.sagas import engine
from orders.sagas.checkout import SAGAS
from orders.sagas.steps import RefundNotMade
from orders.services import NewOrder
from payments import api as payments
from shop.errors import Fault, Refusal
from shop.ids import derived_id
from shop.money import Money
from shop.observability.lines import one_line
from shop.observability.tracing import entrance
from shop.work.turn import Work, take_turn

log = structlog.get_logger(__name__)


def place_order(*, new: NewOrder, inline: bool = True) -> OrderProgress:
    """Record an order at the prices that inventory names now; return how it stands. Idempotent by (customer, key).

    Nothing is reserved or charged yet: `resume` does that, called by whoever said `inline`, else by the sweep at once.
    An order that this key has placed is met by its unique key; only where placing it again is refused (a price has
    changed, a product is gone) it is looked for first.
    Raises: inventory's UnknownProduct, IdempotencyKeyReused, MixedCurrencies, TooManyOpenOrders, TooMuchHeldUnpaid,
    TotalChanged, and the Faults of inventory.
    """
    try:
        offers = inventory_breaker.call(inventory.get_offers, skus=sorted({sku for sku, _quantity in new.lines}))
        return services.place_order(new=new, offers=offers, inline=inline)
    except (Refusal, Fault):
        placed = services.find_placed_order(new=new)
        if placed is None:
            raise
        return get_progress(order_id=placed)


def resume(*, order_id: uuid.UUID, placed: OrderProgress | None = None) -> engine.Reached:
    """Walk an order as far as it goes now; `placed` is what `place_order` has just returned.

    Raises: OrderNotFound; a bug, after parking the saga.
    """
    with entrance("order.resumed", order_id=str(order_id)), one_line("order.resumed", order_id=str(order_id)):
        return engine.run(SAGAS, order_id=order_id, placed=placed)


def resume_for_somebody(*, order_id: uuid.UUID) -> engine.Reached:
    """Walk an order because its customer or staff asked; not while its refused refund waits for its next try.

    The provider's refusals are counted, and tries are few: whoever asks again must not use them up. Raises: as `resume`.
    """
    if services.rests_on_the_way_back(order_id=order_id, after=RefundNotMade.code):
        return engine.Reached(get_progress(order_id=order_id).status)
    return resume(order_id=order_id)


def provide_payment_method(*, order: OrderState, payment_method: str) -> None:
    """Give an unpaid order its first payment method, or another one after a decline or in place of one that waits.

    One that was tried before changes nothing: the order's answer then tells how that one was declined.
    Raises: OrderNotFound, NotPayable.
    """
    instead_of = ""
    if order.payment_method not in ("", payment_method):
        payment = payments.get_payment(order_id=order.order_id)
        if payment is not None and payment.was_tried(payment_method):
            return
        instead_of = payment.replaceable if payment is not None else ""
    services.provide_payment_method(order_id=order.order_id, payment_method=payment_method, instead_of=instead_of)


def extend_hold(*, order: OrderState, operation_id: uuid.UUID) -> OrderState:
    """Give the customer of an order that waits for its payment more time, once. Idempotent by `operation_id`.

    A crash after the first step leaves the stock held for longer than the order waits; the order's end releases it.
    Raises: HoldNotExtendable, HoldAlreadyExtended, HoldEnded, HoldExtensionsOff, and the Faults of inventory.
    """
    if order.hold_extension == operation_id:
        return order
    if refusal := services.refuse_extension(order):
        raise refusal
    try:
        inventory_breaker.call(inventory.extend_hold, order_id=order.order_id, seconds=settings.HOLD_EXTENSION_SECONDS)
    except inventory.ReservationClosed as closed:
        fresh = get_order(order_id=order.order_id)
        if fresh.hold_extension == operation_id:
            return fresh
        raise services.refuse_extension(fresh) or services.HoldEnded(order_id=str(order.order_id)) from closed
    return services.extend_hold(order_id=order.order_id, operation_id=operation_id)


def resume_due(*, limit: int | None = None) -> int:
    """Take a turn at the orders whose sagas are due, `limit` at most; return how many were walked."""
    return take_turn(DUE, limit=limit)


def _resume(order_id: uuid.UUID) -> None:
    """Walk an order for the sweep. The engine itself has written down when a walk that ended early is taken up again."""
    resume(order_id=order_id)


DUE = Work(
    sweep=services.RESUME_SWEEP,
    rows=services.DUE_SAGAS,
    do=_resume,
)


def cancel_order(*, order_id: uuid.UUID, reason: CancelReason) -> OrderState:
    """Cancel an order and walk it as far as it goes now; what remains, the sweep finishes. Idempotent.

    Raises: OrderNotFound, OrderBeingConfirmed, OrderAlreadyShipped; payments' PaymentDisputed: its money is at the bank.
    """
    payment = payments.get_payment(order_id=order_id)
    if payment is not None and payment.is_charged_back and get_order(order_id=order_id).status == OrderStatus.CONFIRMED:
        raise payments.PaymentDisputed(order_id=order_id, dispute=payment.dispute)
    services.request_cancel(order_id=order_id, reason=reason)
    resume_for_somebody(order_id=order_id)
    order = get_order(order_id=order_id)
    if order.status in SENT:
        # The carrier had the parcel before anybody here knew.
        raise services.OrderAlreadyShipped(order_id=str(order_id))
    return order


def _is_owed(order: OrderState) -> bool:
    """Return whether money of an order that has ended is owed: a refund of it came back from the bank."""
    payment = payments.get_payment(order_id=order.order_id)
    return order.status in CALLED_OFF and payment is not None and payment.owed.minor > 0


def refund_order(*, order_id: uuid.UUID, operation: str, amount: Money, reason: str, formerly: str = "") -> OrderState:
    """Return a part of a running order's money, or of what is owed of an ended one. Idempotent by (order, operation).

    `operation` names the user who asks as well: the same key of two users is two refunds. `formerly`: what an earlier
    release called this operation, without the user; a refund of that name is taken up, and not made a second time.
    Raises: OrderNotFound, NotRefundable, payments' RefundExceedsCapture, PaymentDisputed and its Faults; after a
    Fault the refund is recorded and finished by payments' own sweep.
    """
    order = get_order(order_id=order_id)
    refund_id = derived_id("refund", order_id, operation)
    if formerly and payments.has_refund(refund_id=(earlier := derived_id("refund", order_id, formerly))):
        refund_id = earlier
    # Asked again, a refund that was taken on is answered as it was, also where the order was canceled meanwhile.
    may_refund = order.status in PAID or _is_owed(order)
    if not may_refund and not payments.has_refund(refund_id=refund_id):
        raise services.NotRefundable(order_id=str(order_id), status=order.status)
    try:
        payments.refund_payment(order_id=order_id, refund_id=refund_id, amount=amount, reason=reason)
    except Fault as fault:
        log.warning("order.refund_pending", order_id=str(order_id), error=str(fault))
        raise
    return get_order(order_id=order_id)
