"""The steps of the sagas: each calls one context, is idempotent by the order's id, and raises what the engine reads.

Payments guards the provider with a breaker of its own; inventory is guarded here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from inventory import api as inventory
from orders import services
from orders.gateways import inventory_breaker
from orders.models import OrderStatus
from orders.queries import OrderProgress
from orders.rules import FULL_REFUND_IDS, FULL_REFUNDS, LONGEST_REST_SECONDS, id_of_full_refund, seconds_to_next_look
from orders.sagas.engine import WaitingForOutside
from payments import api as payments
from shipping import api as shipping
from shop import clock
from shop.errors import Fault, Refusal

# Banks take weeks. What the provider says meanwhile is payments' to find out.
DISPUTE_SECONDS = 6 * 3600


class ParcelLeft(Refusal):
    """The parcel could not be stopped: it is on its way, under this tracking number."""

    code = "parcel_left"
    title = "The parcel has left"


class RefundNotMade(Fault):
    """The provider would not return the money now: an account without funds, say. The order waits for it."""

    code = "refund_not_made"
    title = "The provider did not return the money"
    fact_types = {"order_id": UUID}


def reserve_stock(order: OrderProgress) -> None:
    """Reserve every line or refuse; straight for payment where a payment method came with the order."""
    inventory_breaker.call(
        inventory.reserve_stock,
        order_id=order.order_id,
        lines=tuple(inventory.Line(sku=sku, quantity=quantity) for sku, quantity in order.lines),
        for_payment=order.pays_at_once,
    )


def release_stock(order: OrderProgress) -> None:
    """Give the stock back, whatever became of it, and refuse a reserve that arrives late."""
    inventory_breaker.call(inventory.release_stock, order_id=order.order_id)


def authorize_payment(order: OrderProgress) -> None:
    """Authorize the total on the customer's payment method; wait for the customer where they have to act.

    They act at their bank, or bring another payment method after one that was declined. An order that costs nothing has no
    payment. Its stock was reserved for payment directly, so no hold runs out.
    Raises: TooMuchHeldUnpaid where their bank asks, and so much may not be held until they do; CardDeclined and
    PaymentMethodRefused where no other payment method may follow, or so much may not be held until one does.
    """
    if not order.total.minor:
        return
    if not order.payment_method:
        raise WaitingForOutside("payment_method", look_again_seconds=LONGEST_REST_SECONDS)
    if not order.pays_at_once:
        inventory_breaker.call(inventory.begin_payment, order_id=order.order_id)
    try:
        payment = order.payment = payments.authorize_payment(
            order_id=order.order_id, amount=order.total, payment_method=order.payment_method
        )
    except (payments.CardDeclined, payments.PaymentMethodRefused) as declined:
        if not (declined.facts["attempts_left"] and _may_wait_for_another(order)):
            raise
        raise WaitingForOutside("payment_method", look_again_seconds=LONGEST_REST_SECONDS) from declined
    if payment.status == payments.PaymentStatus.REQUIRES_ACTION:
        if order.unjudged:
            services.begin_to_wait(order=order, free=_free_stock(order))
        raise WaitingForOutside("customer", look_again_seconds=seconds_to_next_look(clock.now() - order.placed_at))


def _may_wait_for_another(order: OrderProgress) -> bool:
    """Return whether an order whose card was declined may hold its stock unpaid until its customer brings another one."""
    if order.unjudged:
        try:
            services.begin_to_wait(order=order, free=_free_stock(order))
        except services.TooMuchHeldUnpaid:
            return False
    return True


def _free_stock(order: OrderProgress) -> Mapping[str, int]:
    """Return how many pieces of each product would be free without this order, as it was placed or, failing that, now.

    A product that is not for sale any more is left out: nobody is kept from it.
    """
    if order.free is not None:
        return order.free
    reserved: Counter[str] = Counter()
    for sku, quantity in order.lines:
        reserved[sku] += quantity
    while reserved:
        try:
            offers = inventory_breaker.call(inventory.get_offers, skus=sorted(reserved))
        except inventory.UnknownProduct as refusal:
            for sku in refusal.skus:
                del reserved[sku]
        else:
            return {sku: offer.available + reserved[sku] for sku, offer in offers.items()}
    return {}


def is_authorized(order: OrderProgress) -> bool:
    """Ask the provider whether it holds the order's money: a customer may have approved in time, and the webhook be lost.

    An order that costs nothing is in time once its stock is reserved.
    """
    if not order.total.minor:
        return order.status != OrderStatus.PENDING
    if not order.payment_method:
        return False
    payment = payments.refresh_payment(order_id=order.order_id)
    return payment is not None and payment.status in (
        payments.PaymentStatus.AUTHORIZED,
        payments.PaymentStatus.CAPTURED,
    )


def void_payment(order: OrderProgress) -> None:
    """Fence the payment at the provider: after this no money can be taken for the order any more.

    Money that had been taken goes back; where the provider refuses that, the order waits and a human hears of it. Its
    stock does not wait: what was taken cannot be taken again. See Note [Money waits, stock does not]. No payment is ever
    begun for an order that costs nothing.
    """
    if not order.total.minor:
        return
    try:
        payments.void_payment(order_id=order.order_id, reason=order.cancel_reason)
    except payments.RefundRefused as refusal:
        release_stock(order)
        raise _look_before_next_try(order, refusal) from refusal
    except payments.PaymentDisputed as refusal:
        release_stock(order)
        raise _wait_for_the_bank() from refusal


def commit_stock(order: OrderProgress) -> None:
    """Turn the reservation into a sale, so that money is only ever captured for stock that is sold."""
    inventory_breaker.call(inventory.commit_stock, order_id=order.order_id)


def capture_payment(order: OrderProgress) -> None:
    """Take the money, where the order costs any."""
    if not order.total.minor:
        return
    order.payment = payments.capture_payment(order_id=order.order_id, seen=order.payment)


def stop_parcel(order: OrderProgress) -> None:
    """Cancel the shipment, or the shipment that a late event would make; refused once its carrier has the parcel."""
    try:
        shipping.cancel_shipment(order_id=order.order_id, reason=order.cancel_reason)
    except shipping.ShipmentAlreadyDispatched as refusal:
        parcel = shipping.get_shipment(order_id=order.order_id)
        raise ParcelLeft(
            order_id=str(order.order_id),
            carrier=parcel.carrier if parcel else "",
            tracking_number=parcel.tracking_number if parcel else "",
        ) from refusal


def ship_instead(order: OrderProgress, refusal: Refusal, taken: list[dict[str, Any]]) -> None:
    """Let a canceled order be shipped after all: its parcel had left, and no money moves. `taken`: the steps up to there."""
    services.ship_instead(
        order=order,
        carrier=refusal.facts.get("carrier", ""),
        tracking_number=refusal.facts.get("tracking_number", ""),
        steps=taken,
    )


def refund_payment(order: OrderProgress) -> None:
    """Return all that is left of the money, and wait for the part that staff may be refunding meanwhile.

    A part of theirs that fails at the bank is left over then, and goes back by a further refund. So does what the
    provider refused to return: one further try a walk, until a human finds out why. Money that was returned in the
    provider's dashboard counts. A refusal for a dispute is not counted as a try. An order that cost nothing gives nothing.
    """
    if not order.total.minor:
        return None
    refused = 0
    for further in range(FULL_REFUND_IDS):
        refund_id = id_of_full_refund(order.order_id, further)
        failed_before = payments.has_refund(refund_id=refund_id)
        try:
            payment = payments.refund_payment(
                order_id=order.order_id, refund_id=refund_id, amount=None, reason=order.cancel_reason
            )
        except payments.RefundRefused as refusal:
            if failed_before:
                refused += not refusal.by_dispute
                if refused == FULL_REFUNDS:
                    break
                continue
            raise _look_before_next_try(order, refusal) from refusal
        except payments.PaymentDisputed as refusal:
            raise _wait_for_the_bank() from refusal
        if payment.status == payments.PaymentStatus.REFUNDED:
            return _owe_what_comes_back(payment)
    left = payments.get_payment(order_id=order.order_id)
    if left is None or left.kept.minor:
        raise RefundNotMade("money of this order is still to go back", order_id=str(order.order_id))
    return _owe_what_comes_back(left)


def _owe_what_comes_back(payment: payments.PaymentState) -> None:
    """Owe the customer what a dispute took, should an appeal bring it back: the order has ended by then."""
    if payment.lost.minor:
        payments.owe_what_comes_back(order_id=payment.order_id)


def _wait_for_the_bank() -> WaitingForOutside:
    """Return what to raise while a chargeback is open; its end wakes the saga, and a lost word of it costs hours only."""
    return WaitingForOutside("dispute", look_again_seconds=DISPUTE_SECONDS, until_deadline=False)


def _look_before_next_try(order: OrderProgress, refusal: payments.RefundRefused) -> RefundNotMade:
    """Return the fault to raise, once the books have what may have gone back in the provider's dashboard."""
    payments.refresh_payment(order_id=order.order_id)
    return RefundNotMade(str(refusal), order_id=str(order.order_id))


def return_stock(order: OrderProgress) -> None:
    """Put what was sold back on the shelf."""
    inventory_breaker.call(inventory.return_stock, order_id=order.order_id)
