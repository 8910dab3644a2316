"""What is planted in notifications."""

from __future__ import annotations

from tests.integration.audit.corruptions.corruption import CANCELED, CONFIRMED, IN_PART, REFUNDED, SHIPPED, of

EMAIL = "UPDATE notifications_email SET {} WHERE order_id = '{{id}}' AND kind = 'order_confirmed'"
NO_EMAIL = "DELETE FROM notifications_email WHERE order_id = '{{id}}' AND kind = '{}'"


NOTIFICATIONS = of(
    "notifications",
    *(
        ("each customer was told what happened", order, NO_EMAIL.format(kind))
        for order, kind in (
            (CONFIRMED, "order_confirmed"),
            (SHIPPED, "order_shipped"),
            (CANCELED, "order_canceled"),
            (REFUNDED, "order_refunded"),
            (IN_PART, "refund_issued"),
        )
    ),
    (
        "no customer was told what did not happen",
        CONFIRMED,
        "UPDATE notifications_email SET kind = 'order_canceled', reason = 'staff_request' WHERE order_id = '{id}'",
    ),
    (
        "no customer was told what did not happen",
        IN_PART,
        "UPDATE notifications_email SET amount_minor = amount_minor + 1 WHERE order_id = '{id}' AND kind = 'refund_issued'",
    ),
    ("an email's moments are those of its status", CONFIRMED, EMAIL.format("sent_at = NULL")),
    ("an email's moments are those of its status", CONFIRMED, EMAIL.format("queued_at = now() + interval '1 day'")),
    (
        "every email is sent one day or given up",
        CONFIRMED,
        EMAIL.format("status = 'PENDING', sent_at = NULL, due_at = NULL"),
    ),
    (
        "every email is sent one day or given up",
        CONFIRMED,
        EMAIL.format("status = 'PENDING', sent_at = NULL, due_at = now() + interval '1 year'"),
    ),
    (
        "no email is overdue",
        CONFIRMED,
        EMAIL.format("status = 'PENDING', sent_at = NULL, due_at = now() - interval '1 hour'"),
    ),
    ("only emails about unpaid orders are withheld", CONFIRMED, EMAIL.format("status = 'WITHHELD', sent_at = NULL")),
    (
        "only emails about unpaid orders are withheld",
        CANCELED,
        "UPDATE notifications_email SET status = 'WITHHELD', sent_at = NULL WHERE order_id = '{id}'",
    ),
    ("each email moved along its table only", CONFIRMED, EMAIL.format("status = 'FAILED', failed_at = now()")),
    ("each move of each email has its event", SHIPPED, EMAIL.format("version = version + 1")),
)
