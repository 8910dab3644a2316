"""What is planted in the tables of shop."""

from __future__ import annotations

from tests.integration.audit.corruptions.corruption import CONFIRMED, DELIVERED, Corruption

KERNEL = (
    Corruption(
        "each kept answer names its key's order",
        DELIVERED,
        "shop",
        "UPDATE shop_idempotencykey SET key = 'another' WHERE response_body LIKE '%{id}%' AND response_status = 201",
    ),
    Corruption(
        "no kept answer is dated in the future",
        DELIVERED,
        "shop",
        "UPDATE shop_idempotencykey SET created_at = now() + interval '1 day' WHERE response_body LIKE '%{id}%'",
        about="kept answer of customer",
    ),
    Corruption(
        "no subscription begins in the future, and no look lies there",
        CONFIRMED,
        "shop",
        "UPDATE shop_subscription SET since = now() + interval '1 day' WHERE event_type = 'shipment.delivered'",
        about="subscription of orders.mark_order_delivered",
    ),
    Corruption(
        "no subscription begins in the future, and no look lies there",
        CONFIRMED,
        "shop",
        "INSERT INTO shop_hearinglook (context, published_at, last_id) VALUES ('orders', now() + interval '1 day', 0)",
        about="look at the facts of orders",
    ),
    Corruption(
        "no request of a link is overdue",
        CONFIRMED,
        "notifications",
        "INSERT INTO notifications_linkrequest (id, number, recipient_key, due_at, attempts, last_error)"
        " VALUES ('{id}', '7K3M9Q2XAB', 1, now() - interval '1 hour', 0, '')",
        about="request of a link",
    ),
    Corruption(
        "every guest is taken along",
        CONFIRMED,
        "shop",
        "INSERT INTO shop_guesttaking (guest_id, customer_id, due_at, attempts, last_error)"
        " VALUES ('{id}', '{id}', now() - interval '1 hour', 0, '')",
        about="taking of guest",
    ),
    Corruption(
        "every erasure goes on",
        CONFIRMED,
        "shop",
        "INSERT INTO shop_erasure (id, user_id, addresses, account_emails, asked_by, waiting_for, sessions_read_to, due_at,"
        " attempts, last_error) VALUES ('{id}', '{id}', '[]', '[]', 'staff', '[]', '', now() - interval '40 days', 0, '')",
        about="erasure",
    ),
    Corruption(
        "no sweep is taken for longer than a run has its place",
        CONFIRMED,
        "shop",
        "INSERT INTO shop_runningsweep (sweep, place, until, asked_again)"
        " VALUES ('orders.resume_sagas', 9, now() + interval '1 hour', false)",
        about="sweep orders.resume_sagas",
    ),
)
