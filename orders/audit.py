"""The promises that orders can check: its own, and those between it, the stock, the money and the parcel."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import NamedTuple
from uuid import UUID

from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from inventory import api as inventory
from inventory.api import ReservationStatus
from orders import laws
from orders.models import CALLED_OFF, GOING_BACK, NEVER_PAID, PAID, SENT, UNPAID, Order, OrderStatus, Saga
from orders.queries import OrderStanding, page_orders
from payments import api as payments
from payments.api import PaymentStatus
from shipping import api as shipping
from shipping.api import ShipmentStatus
from shop.audit import Check, by_order, register_check, register_law
from shop.audit.bus import register_bus_checks
from shop.audit.statuses import register_history_checks
from shop.audit.told import should_show
from shop.money import Money
from shop.personal.keepers import ERASED

# An order on its way may be seen between two commits of its own; one that is still has no excuse.
STILL_FOR = timedelta(seconds=5)

# Who was never confirmed has no parcel.
UNCONFIRMED = (*UNPAID, *NEVER_PAID)
# How far a parcel is, in which order of it, and by which fact and subscriber the order learns of that.
LEFT = {
    ShipmentStatus.DISPATCHED: (SENT, "shipment.dispatched", "orders.mark_order_shipped"),
    ShipmentStatus.DELIVERED: ((OrderStatus.DELIVERED,), "shipment.delivered", "orders.mark_order_delivered"),
}


class Row(NamedTuple):
    """What the contexts know of one order; None where one knows nothing."""

    order_id: UUID
    order: OrderStanding | None
    reservation: inventory.ReservationStanding | None
    payment: payments.PaymentStanding | None
    parcel: shipping.ShipmentStanding | None


READING = by_order(
    "orders",
    Row,
    partial(page_orders, refunds=False),
    inventory.page_reservations,
    payments.page_payments,
    shipping.page_shipments,
)


def _is_still(order: OrderStanding) -> bool:
    """Return whether nothing is left to do for the order, and nothing was a moment ago."""
    moving = Saga.objects.filter(Q(finished_at=None) | Q(finished_at__gt=Now() - STILL_FOR), order_id=OuterRef("pk"))
    return Order.objects.filter(~Exists(moving), pk=order.order_id, version=order.version).exists()


def _judge_owner(row: Row) -> str | None:
    if row.order is not None:
        return None
    parts = {"reservation": row.reservation, "payment": row.payment, "shipment": row.parcel}
    owned = ", ".join(f"a {name} that is {part.status}" for name, part in parts.items() if part is not None)
    return f"there is no such order, but {owned}"


def _judge_i2(row: Row) -> str | None:
    order, reservation, payment = row.order, row.reservation, row.payment
    if reservation is None or reservation.status not in inventory.FREED:
        return None
    if (
        payment is None
        or payment.status in payments.CLOSED
        or (payment.status == PaymentStatus.NEW and not payment.has_intent)
    ):
        return None
    if order is not None and order.status == OrderStatus.CANCELING and payment.status in payments.PAID:
        return None  # no further money can come; what was taken waits for its refund
    if (payment.lost or payment.settled or payment.owed) and not payment.kept_unlisted:
        return None  # the bank has taken back what was left of it, staff have paid it back, or are called to
    return f"its reservation is {reservation.status} while its payment is {payment.status}"


def _judge_i3(row: Row) -> str | None:
    order, reservation, payment = row.order, row.reservation, row.payment
    if order is None or payment is None or payment.status == PaymentStatus.REFUNDED or not payment.kept_unlisted:
        return None
    if reservation is not None and reservation.status == ReservationStatus.COMMITTED:
        return None
    if order.status in GOING_BACK:
        return None
    captured = Money(payment.captured, payment.currency)
    return f"{captured} were captured while its reservation is {reservation and reservation.status}"


def _judge_i4(row: Row) -> str | None:
    order, payment = row.order, row.payment
    if order is None or payment is None:
        return None
    if payment.status != PaymentStatus.VOIDED and (payment.amount, payment.currency) != (order.total, order.currency):
        told = f"{Money(payment.amount, payment.currency)} for a total of {Money(order.total, order.currency)}"
        return f"its payment is of {told}; {Money(payment.captured, payment.currency)} were captured"
    if payment.refunded + payment.settled > payment.captured:
        return f"{payment.refunded} and {payment.settled} {payment.currency} went back of {payment.captured} captured"
    return None


def _judge_i5(row: Row) -> str | None:
    order, reservation, payment = row.order, row.reservation, row.payment
    committed = reservation is not None and reservation.status == ReservationStatus.COMMITTED
    captured = payment is not None and payment.status in payments.PAID
    # An order that costs nothing has no payment, and only such an order is confirmed without one.
    paid = captured or (payment is None and order is not None and not order.total)
    if order is None or (order.status in PAID) == (committed and paid) or not _is_still(order):
        return None
    return (
        f"it is {order.status} while its reservation is {reservation and reservation.status} "
        f"and its payment is {payment and payment.status}"
    )


def _judge_lines(row: Row) -> str | None:
    order, reservation = row.order, row.reservation
    # A tombstone has none.
    if order is None or reservation is None or not reservation.lines or reservation.lines == order.lines:
        return None
    return f"it is of {order.lines or 'nothing'}, its reservation of {reservation.lines}"


def _judge_parcel(row: Row) -> str | None:
    order, parcel = row.order, row.parcel
    if order is None or parcel is None or parcel.status == ShipmentStatus.CANCELED:
        return None
    if order.status in UNCONFIRMED or order.status == OrderStatus.REFUNDED:
        return f"it is {order.status} while its parcel {parcel.shipment_id} is {parcel.status}"
    return None


def _judge_i6(row: Row) -> str | None:
    order, payment = row.order, row.payment
    if order is None or order.status not in CALLED_OFF or payment is None:
        return None
    closed = payment.status in (*payments.CLOSED, PaymentStatus.NEW) or payment.lost or payment.settled or payment.owed
    if closed and not payment.kept_unlisted:
        return None  # what is owed stands in the list of staff, and an alert calls them (ADR 24)
    kept, owed = Money(payment.kept, payment.currency), Money(payment.owed, payment.currency)
    return f"it is {order.status} while {kept} are kept, {owed} of them listed as owed; its payment is {payment.status}"


def _judge_left_stock(row: Row) -> str | None:
    order, reservation = row.order, row.reservation
    if order is None or reservation is None or reservation.status not in inventory.KEEPING:
        return None
    if order.status not in CALLED_OFF:
        return None
    return f"it is {order.status} while its reservation is {reservation.status}"


def _judge_sent(row: Row) -> str | None:
    order, parcel = row.order, row.parcel
    if order is None or order.status not in SENT:
        return None
    left = (ShipmentStatus.DELIVERED,) if order.status == OrderStatus.DELIVERED else shipping.HAS_LEFT
    if parcel is None or parcel.status not in left:
        return f"it is {order.status} while its parcel is {parcel and parcel.status}"
    # A person is erased context by context.
    erased = ERASED in (order.tracking_number, parcel.tracking_number)
    if not erased and (order.carrier, order.tracking_number) != (parcel.carrier, parcel.tracking_number):
        told, sent = f"{order.carrier} {order.tracking_number}", f"{parcel.carrier} {parcel.tracking_number}"
        return f"it was sent with {told}, its parcel with {sent}"
    return None


def _judge_left(row: Row) -> str | None:
    order, parcel = row.order, row.parcel
    if order is None or parcel is None or parcel.status not in LEFT:
        return None
    known, fact, subscriber = LEFT[parcel.status]
    if order.status not in PAID or order.status in known:
        return None
    told = shipping.find_shipment_fact(shipment_id=parcel.shipment_id, event_type=fact)
    late = should_show(told, subscriber=subscriber)
    return f"it is {order.status} while its parcel is {parcel.status}" if late else None


def register() -> None:
    """Have the audit run these checks."""
    for promise, title, judge in (
        ("I2", "stock is free only where no payment can come", _judge_i2),
        ("I3", "money is captured only for committed stock", _judge_i3),
        ("I4", "one capture of the order's total, refunds within it", _judge_i4),
        ("I5", "confirmed means captured and committed, and back", _judge_i5),
        ("I5", "stock, money and parcels belong to an order", _judge_owner),
        ("I5", "the stock of an order is what it bought", _judge_lines),
        ("I5", "only confirmed orders have a parcel", _judge_parcel),
        ("I6", "canceled means that no money was kept", _judge_i6),
        ("I5", "what was sent has left, as it was told", _judge_sent),
        ("I8", "an order knows that its parcel left and arrived", _judge_left),
        ("I10", "no order that has ended keeps stock", _judge_left_stock),
    ):
        READING.register(promise, title, judge)
    for law in laws.LAWS:
        register_law("orders", law, **laws.VALUES)
    register_check(Check("I7", "orders", "each kept answer names its key's order", laws.check_kept_answers))
    register_bus_checks("orders")
    register_history_checks(Order, born={OrderStatus.PENDING}, since_field="placed_at")
