"""The ways into the sagas: for a request, for the sweep, for staff."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import structlog

from inventory import api as inventory
from orders import services
from orders.gateways import inventory_breaker
from orders.queries import Address, OrderState, get_order
from orders.rules import CancelReason
from orders.sagas import engine
from orders.sagas.checkout import SAGAS
from payments import api as payments
from shop.errors import Fault
from shop.ids import derived_id
from shop.money import Money

log = structlog.get_logger(__name__)


def place_order(
    *,
    customer_id: uuid.UUID,
    idempotency_key: str,
    fingerprint: str,
    lines: Sequence[tuple[str, int]],
    email: str,
    shipping_address: Address,
    payment_method: str = "",
    expected_total: Money | None = None,
    inline: bool = True,
) -> uuid.UUID:
    """Record an order at the prices that inventory names now; return its id. Idempotent by (customer, key).

    `lines` are (sku, quantity). Nothing is reserved or charged yet: `resume` does that, called by whoever said
    `inline`, else by the sweep at once.
    Raises: inventory's UnknownProduct, IdempotencyKeyReused, MixedCurrencies, NothingToPay, TooManyOpenOrders,
    TotalChanged, and the Faults of inventory.
    """
    placed = services.find_placed_order(
        customer_id=customer_id, idempotency_key=idempotency_key, fingerprint=fingerprint
    )
    if placed is not None:
        return placed
    offers = inventory_breaker.call(inventory.get_offers, skus=sorted({sku for sku, _quantity in lines}))
    return services.place_order(
        customer_id=customer_id,
        idempotency_key=idempotency_key,
        fingerprint=fingerprint,
        lines=[
            services.PricedLine(sku=sku, name=offers[sku].name, quantity=quantity, unit_price=offers[sku].price)
            for sku, quantity in lines
        ],
        email=email,
        shipping_address=shipping_address,
        payment_method=payment_method,
        expected_total=expected_total,
        inline=inline,
    )


def resume(*, order_id: uuid.UUID) -> engine.Reached:
    """Walk an order as far as it goes now. Raises: OrderNotFound; a bug, after parking the saga."""
    return engine.run(SAGAS, order_id=order_id)


def resume_due(*, limit: int = 50) -> int:
    """Walk every order whose saga is due; return how many. One that fails does not stop the others."""
    due = services.claim_due_sagas(limit=limit)
    for order_id in due:
        try:
            resume(order_id=order_id)
        except Exception:
            # The engine has parked it and told why; its neighbors go on.
            log.exception("saga.resume_failed", order_id=str(order_id))
    return len(due)


def cancel_order(*, order_id: uuid.UUID, reason: CancelReason) -> OrderState:
    """Cancel an order and walk it as far as it goes now; what remains, the sweep finishes. Idempotent.

    Raises: OrderNotFound, OrderBeingConfirmed, OrderAlreadyShipped.
    """
    services.request_cancel(order_id=order_id, reason=reason)
    resume(order_id=order_id)
    order = get_order(order_id=order_id)
    if order.status in ("SHIPPED", "DELIVERED"):
        # The carrier had the parcel before anybody here knew.
        raise services.OrderAlreadyShipped(order_id=str(order_id))
    return order


def refund_part(*, order_id: uuid.UUID, operation: str, amount: Money, reason: str) -> OrderState:
    """Return a part of a running order's money; the order goes on. Idempotent by (order, operation).

    Raises: OrderNotFound, NotRefundable, payments' RefundExceedsCapture and its Faults; after a Fault the refund is
    recorded and finished by payments' own sweep.
    """
    order = get_order(order_id=order_id)
    refund_id = derived_id("refund", order_id, operation)
    # Asked again, a refund that was taken on is answered as it was, also where the order has been canceled meanwhile.
    runs = order.status in ("CONFIRMED", "SHIPPED", "DELIVERED")
    if not runs and not payments.has_refund(refund_id=refund_id):
        raise services.NotRefundable(order_id=str(order_id), status=order.status)
    try:
        payments.refund_payment(order_id=order_id, refund_id=refund_id, amount=amount, reason=reason)
    except Fault as fault:
        log.warning("order.refund_pending", order_id=str(order_id), error=str(fault))
        raise
    return get_order(order_id=order_id)
