"""What `manage.py audit` asks of notifications: its own rows, and that each order's customer was told what happened to it."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import NamedTuple
from uuid import UUID

from notifications.models import Email, EmailKind, EmailStatus
from notifications.queries import page_emails
from notifications.rules import MAX_ATTEMPTS, RECIPIENT_LIMIT, RECIPIENT_LIMIT_FREE
from orders import api as orders
from shop.audit import SKEW, Law, by_order, register_law
from shop.audit.bus import register_bus_checks
from shop.audit.statuses import register_history_checks
from shop.audit.told import should_show
from shop.events.unheard import remembered_since

VALUES = {
    "overdue": timedelta(minutes=15),
    # Longer than any lease and than any wait for the next try.
    "longest": timedelta(hours=2),
    "attempts": MAX_ATTEMPTS,
    "limit": RECIPIENT_LIMIT,
    "free": RECIPIENT_LIMIT_FREE,
}
# The email that each fact of an order causes, and who hears the fact.
TOLD_BY = {
    str(EmailKind.ORDER_CONFIRMED): ("order.confirmed", "notifications.tell_customer_order_confirmed"),
    str(EmailKind.ORDER_CANCELED): ("order.canceled", "notifications.tell_customer_order_canceled"),
    str(EmailKind.ORDER_SHIPPED): ("order.shipped", "notifications.tell_customer_parcel_left"),
    str(EmailKind.ORDER_REFUNDED): ("order.refunded", "notifications.tell_customer_order_refunded"),
    str(EmailKind.REFUND_ISSUED): ("order.refund_issued", "notifications.tell_customer_refund_issued"),
    str(EmailKind.REFUND_RETURNED): ("order.refund_returned", "notifications.tell_customer_refund_returned"),
}
_EMAIL = "'email ' || e.id, 'of order ' || e.order_id || ': ' ||"
# Customers read their emails as things happened: a later one waits for an earlier one that is going to be sent.
_IN_TURN = (
    "NOT EXISTS (SELECT 1 FROM notifications_email AS b WHERE b.order_id = e.order_id AND b.status = 'PENDING'"
    " AND b.due_at IS NOT NULL AND (b.queued_at, b.id) < (e.queued_at, e.id))"
)

LAWS = (
    Law(
        "I10",
        "no request of a link is overdue",
        "SELECT 'request of a link ' || r.id, format('due since %%s: no worker is processing it', r.due_at)"
        " FROM notifications_linkrequest AS r WHERE r.due_at IS NULL OR r.due_at < now() - %(overdue)s ORDER BY r.id",
    ),
    Law(
        "I9",
        "an email's moments are those of its status",
        f"SELECT {_EMAIL} format('it is %%s: queued %%s, sent %%s, failed %%s', e.status, e.queued_at, e.sent_at, e.failed_at)"
        " FROM notifications_email AS e WHERE e.order_id >= %(first)s AND ("
        "  (e.sent_at IS NOT NULL) <> (e.status = 'SENT') OR e.status = 'FAILED' AND e.failed_at IS NULL"
        f"  OR greatest(e.queued_at, e.sent_at, e.failed_at) > now() + {SKEW}) ORDER BY e.id",
    ),
    Law(
        "I8",
        "only emails about unpaid orders are withheld",
        f"SELECT {_EMAIL} format('it is withheld, though it is %%s: %%s', e.kind, e.last_error) FROM notifications_email AS e"
        " WHERE e.order_id >= %(first)s AND e.status = 'WITHHELD'"
        "  AND NOT starts_with(e.last_error, %(free)s)"
        "  AND (e.kind <> 'order_canceled' OR NOT starts_with(e.last_error, %(limit)s)) ORDER BY e.id",
    ),
    Law(
        "I10",
        "no email is overdue",
        f"SELECT {_EMAIL} format('%%s, overdue since %%s: no worker is processing it', e.status, e.due_at)"
        f" FROM notifications_email AS e WHERE e.due_at < now() - %(overdue)s AND {_IN_TURN} ORDER BY e.due_at",
    ),
    Law(
        "I10",
        "every email is sent one day or given up",
        f"SELECT {_EMAIL} format('%%s, due at %%s, %%s attempts', e.status, e.due_at, e.attempts)"
        " FROM notifications_email AS e WHERE e.order_id >= %(first)s AND CASE e.status"
        "  WHEN 'PENDING' THEN e.due_at IS NULL OR e.due_at > now() + %(longest)s OR e.attempts > %(attempts)s"
        "  ELSE e.due_at IS NOT NULL END ORDER BY e.id",
    ),
)


class _Row(NamedTuple):
    """An order and what its customer was told of it."""

    order_id: UUID
    order: orders.OrderStanding | None
    queued: tuple[UUID, tuple[str, ...]] | None

    @property
    def emails(self) -> tuple[str, ...]:
        """The emails of the order, as page_emails names them."""
        return self.queued[1] if self.queued else ()


READING = by_order("notifications", _Row, partial(orders.page_orders, lines=False), page_emails)


def _due_to(order: orders.OrderStanding) -> list[str]:
    """Return the emails that an order has caused by now, as page_emails names them."""
    of_order = f":{order.order_id}:"
    causes = []
    if order.confirmed_at is not None:
        causes.append(f"order_confirmed{of_order}")
    if order.was_sent:
        causes.append(f"order_shipped{of_order}")
    elif order.status == orders.OrderStatus.CANCELED:
        causes.append(f"order_canceled{of_order}{order.cancel_reason}")
    elif order.status == orders.OrderStatus.REFUNDED:
        causes.append(f"order_refunded{of_order}")
    return [*causes, *order.refunds.split(",")] if order.refunds else causes


def _judge_missing(row: _Row) -> str | None:
    if row.order is None:
        return None
    for cause in _due_to(row.order):
        if cause in row.emails:
            continue
        fact, subscriber = TOLD_BY[cause.partition(":")[0]]
        told = orders.find_order_fact(order_id=row.order_id, event_type=fact)
        if should_show(told, subscriber=subscriber):
            return f"it is {row.order.status}, and its customer was not told: there is no email {cause}"
    return None


def _judge_unfounded(row: _Row) -> str | None:
    if row.order is None:
        return f"there is no such order, but emails: {', '.join(row.emails)}"
    caused = _due_to(row.order)
    for email in row.emails:
        # Of an order so old that its facts may be gone, nobody knows of which refunds they told.
        of_refund = email.startswith("refund_") and row.order.placed_at < remembered_since()
        if email not in caused and not of_refund:
            return f"it is {row.order.status}, and nothing has caused the email {email}"
    return None


def register() -> None:
    """Have these checks run with every audit."""
    register_history_checks(Email, born={EmailStatus.PENDING}, since_field="queued_at")
    register_bus_checks("notifications")
    READING.register("I8", "each customer was told what happened", _judge_missing)
    READING.register("I8", "no customer was told what did not happen", _judge_unfounded)
    for law in LAWS:
        register_law("notifications", law, **VALUES)
