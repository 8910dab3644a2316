"""What is planted in outboxes, inboxes and the history of facts."""

from __future__ import annotations

from tests.integration.audit.corruptions.corruption import CONFIRMED, FACT, IN_PART, of

OF_THE_FACT = "subscriber = 'notifications.tell_customer_order_confirmed' AND event_id = '{confirmed_fact}'"
DELIVERY = f"UPDATE notifications_inbox SET {{}} WHERE {OF_THE_FACT}".replace("{confirmed_fact}", "{{confirmed_fact}}")


PAST = "id, event_id, type, schema_version, aggregate_id, aggregate_version, payload, traceparent, actor, request_id, occurred_at"
BUS = (
    *of(
        "orders",
        (
            "no fact left the outbox unpublished",
            CONFIRMED,
            (
                f"INSERT INTO orders_history ({PAST}) SELECT {PAST} FROM orders_outbox WHERE aggregate_id = '{{id}}'"
                " AND type = 'order.confirmed';"
                " DELETE FROM orders_outbox WHERE aggregate_id = '{id}' AND type = 'order.confirmed'"
            ),
        ),
        (
            "each move of each order has its event",
            CONFIRMED,
            "DELETE FROM orders_outbox WHERE aggregate_id = '{id}' AND type = 'order.confirming'",
        ),
        (
            "every fact is published or waits for a human",
            CONFIRMED,
            FACT.format("published_at = NULL, occurred_at = now() - interval '1 hour'"),
        ),
        (
            "no fact is claimed for longer than a claim lasts",
            CONFIRMED,
            FACT.format("published_at = NULL, occurred_at = now(), claimed_until = now() + interval '1 day'"),
        ),
        (
            "no fact is dated in the future, or published before it was told",
            CONFIRMED,
            FACT.format("published_at = now() + interval '1 day'"),
        ),
        (
            "no fact is dated in the future, or published before it was told",
            CONFIRMED,
            FACT.format("occurred_at = now()"),
        ),
        (
            "every fact that was heard was told",
            IN_PART,
            "DELETE FROM orders_outbox WHERE aggregate_id = '{id}' AND type = 'order.refund_issued'",
        ),
    ),
    *of(
        "notifications",
        (
            "every published fact was heard by its subscribers",
            CONFIRMED,
            f"DELETE FROM notifications_inbox WHERE {OF_THE_FACT}",
        ),
        (
            "every event heard is applied or waits for a human",
            CONFIRMED,
            DELIVERY.format("status = 'RETRYING', envelope = '[]', due_at = now() - interval '1 hour'"),
        ),
        (
            "every delivery that failed is tried again, and with what it needs",
            CONFIRMED,
            DELIVERY.format("status = 'RETRYING', envelope = '[]', due_at = NULL"),
        ),
        (
            "every delivery that failed is tried again, and with what it needs",
            CONFIRMED,
            DELIVERY.format("status = 'RETRYING', envelope = '[]', due_at = now() + interval '1 day'"),
        ),
        (
            "every delivery that failed is tried again, and with what it needs",
            CONFIRMED,
            DELIVERY.format("status = 'DEAD', envelope = NULL"),
        ),
    ),
)
