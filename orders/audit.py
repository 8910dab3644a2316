"""The promises that orders can check: its own, and those between it, the stock and the money."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

from django.db.models import Count, Exists, F, OuterRef, Q
from django.db.models.functions import Now

from inventory import api as inventory
from orders.events import (
    OrderAwaitingPayment,
    OrderCanceled,
    OrderCanceling,
    OrderConfirmed,
    OrderConfirming,
    OrderDelivered,
    OrderPlaced,
    OrderRefunded,
    OrderRefunding,
    OrderShipped,
)
from orders.models import Order, OrderStatus, Saga
from orders.queries import iter_orders
from payments import api as payments
from shop.audit import Check, Violation, register_check
from shop.events.history import register_history_checks, register_inbox_check

PAGE = 1000
# An order on its way may be seen between two commits of its own; one that is still has no excuse.
STILL_FOR = timedelta(seconds=5)
STUCK_AFTER = timedelta(minutes=5)

KEPT = {OrderStatus.CONFIRMED, OrderStatus.SHIPPED, OrderStatus.DELIVERED}
CAPTURED = {"CAPTURED", "PARTIALLY_REFUNDED", "REFUNDED"}
FENCED = {"VOIDED", "REFUNDED"}

Row = tuple[Order, "inventory.ReservationState | None", "payments.PaymentState | None"]


def _reservations() -> Iterator[inventory.ReservationState]:
    after: uuid.UUID | None = None
    while page := inventory.iter_reservations(after=after, limit=PAGE):
        yield from page
        after = page[-1].order_id


def _payments() -> Iterator[payments.PaymentState]:
    after: uuid.UUID | None = None
    while page := payments.iter_payments(after=after, limit=PAGE):
        yield from page
        after = page[-1].order_id


def _joined() -> Iterator[Row]:
    """Yield each order with its reservation and payment: three sorted streams, since no query may cross contexts."""
    reservations, pays = _reservations(), _payments()
    reservation, payment = next(reservations, None), next(pays, None)
    for order in iter_orders(batch=PAGE):
        while reservation is not None and reservation.order_id < order.pk:
            reservation = next(reservations, None)
        while payment is not None and payment.order_id < order.pk:
            payment = next(pays, None)
        yield (
            order,
            reservation if reservation is not None and reservation.order_id == order.pk else None,
            payment if payment is not None and payment.order_id == order.pk else None,
        )


def _is_still(order: Order) -> bool:
    """Say whether nothing is left to do for the order, and nothing was a moment ago."""
    moving = Saga.objects.filter(Q(finished_at=None) | Q(finished_at__gt=Now() - STILL_FOR), order_id=OuterRef("pk"))
    return Order.objects.filter(~Exists(moving), pk=order.pk, version=order.version).exists()


def _fresh(order_id: uuid.UUID) -> Row:
    return (
        Order.objects.get(pk=order_id),
        inventory.get_reservation(order_id=order_id),
        payments.get_payment(order_id=order_id),
    )


Judge = Callable[[Row], str | None]


def _judged(promise: str, judge: Judge) -> Callable[[], Iterable[Violation]]:
    """Make a check of a judgment on one order; what looks wrong is read again before it is reported."""

    def run() -> Iterator[Violation]:
        for row in _joined():
            if judge(row) is None:
                continue
            detail = judge(_fresh(row[0].pk))
            if detail is not None:
                yield Violation(promise, f"order {row[0].pk}", detail)

    return run


def _judge_i2(row: Row) -> str | None:
    _order, reservation, payment = row
    if reservation is None or reservation.status not in ("RELEASED", "EXPIRED"):
        return None
    if payment is None or payment.status in FENCED or (payment.status == "NEW" and not payment.intent_id):
        return None
    return f"its reservation is {reservation.status} while its payment is {payment.status}"


def _judge_i3(row: Row) -> str | None:
    order, reservation, payment = row
    if payment is None or payment.captured.minor == 0 or payment.status == "REFUNDED":
        return None
    if reservation is not None and reservation.status == "COMMITTED":
        return None
    if order.status in (OrderStatus.CANCELING, OrderStatus.REFUNDING):
        return None
    return f"{payment.captured} were captured while its reservation is {reservation and reservation.status}"


def _judge_i4(row: Row) -> str | None:
    order, _reservation, payment = row
    if payment is None or payment.captured.minor == 0:
        return None
    if payment.captured != order.total:
        return f"{payment.captured} were captured for a total of {order.total}"
    if payment.refunded > payment.captured:
        return f"{payment.refunded} were refunded of {payment.captured} captured"
    return None


def _judge_i5(row: Row) -> str | None:
    order, reservation, payment = row
    committed = reservation is not None and reservation.status == "COMMITTED"
    captured = payment is not None and payment.status in CAPTURED
    if (order.status in KEPT) == (committed and captured) or not _is_still(order):
        return None
    return (
        f"it is {order.status} while its reservation is {reservation and reservation.status} "
        f"and its payment is {payment and payment.status}"
    )


def _judge_i6(row: Row) -> str | None:
    order, _reservation, payment = row
    if order.status not in (OrderStatus.CANCELED, OrderStatus.REFUNDED) or payment is None:
        return None
    if payment.captured == payment.refunded and payment.status in (*FENCED, "NEW"):
        return None
    return f"it is {order.status} while {payment.captured - payment.refunded} are kept; its payment is {payment.status}"


def _check_i7() -> Iterator[Violation]:
    repeated = Order.objects.values("customer_id", "idempotency_key").annotate(orders=Count("id")).filter(orders__gt=1)
    for row in repeated:
        yield Violation("I7", f"customer {row['customer_id']}", f"{row['orders']} orders for one Idempotency-Key")


def _check_i10() -> Iterator[Violation]:
    overdue = Saga.objects.filter(Q(finished_at=None), due_at__lt=Now() - STUCK_AFTER).annotate(since=F("due_at"))
    for saga in overdue:
        yield Violation("I10", f"order {saga.order_id}", f"its {saga.name} saga is due since {saga.since:%F %T} UTC")
    ended = [*KEPT, OrderStatus.CANCELED, OrderStatus.REFUNDED]
    driven = Saga.objects.filter(order_id=OuterRef("pk"), finished_at=None, due_at__isnull=False)
    orphans = Order.objects.exclude(status__in=ended).filter(~Exists(driven))
    for order in orphans.filter(placed_at__lt=Now() - STILL_FOR):
        yield Violation("I10", f"order {order.pk}", f"it is {order.status} and no saga will move it")


def register() -> None:
    """Have the audit run these checks."""
    for check in (
        Check("I2", "orders", "stock is free only where no payment can come", _judged("I2", _judge_i2)),
        Check("I3", "orders", "money is captured only for committed stock", _judged("I3", _judge_i3)),
        Check("I4", "orders", "one capture of the order's total, refunds within it", _judged("I4", _judge_i4)),
        Check("I5", "orders", "confirmed means captured and committed, and back", _judged("I5", _judge_i5)),
        Check("I6", "orders", "canceled means that no money was kept", _judged("I6", _judge_i6)),
        Check("I7", "orders", "one order per Idempotency-Key", _check_i7),
        Check("I10", "orders", "no order is stuck", _check_i10),
    ):
        register_check(check)
    register_history_checks(
        context="orders",
        model=Order,
        noun="order",
        status_after={
            OrderPlaced.type: OrderStatus.PENDING,
            OrderAwaitingPayment.type: OrderStatus.AWAITING_PAYMENT,
            OrderConfirming.type: OrderStatus.CONFIRMING,
            OrderConfirmed.type: OrderStatus.CONFIRMED,
            OrderShipped.type: OrderStatus.SHIPPED,
            OrderDelivered.type: OrderStatus.DELIVERED,
            OrderCanceling.type: OrderStatus.CANCELING,
            OrderCanceled.type: OrderStatus.CANCELED,
            OrderRefunding.type: OrderStatus.REFUNDING,
            OrderRefunded.type: OrderStatus.REFUNDED,
        },
        born={OrderStatus.PENDING},
        since_field="placed_at",
    )
    register_inbox_check("orders")
