-- Record an order, PENDING: its row, lines, contact, saga and fact, all or nothing, and once for a customer's key.
-- Locks: orders_room_to_wait() takes the customer's advisory lock until the end of the transaction, for an order without
-- a payment method those of its email and address too, and counts only then, with a snapshot of its own; this statement's
-- is older than the wait for the lock. Nothing else waits. An order that costs nothing never waits for its payment.
-- Returns one row: the room there was; the moments are null where nothing was placed, for want of room or because the key
-- has placed an order before.
WITH room AS MATERIALIZED (
    SELECT * FROM orders_room_to_wait(
        %(customer_id)s::uuid, %(email_key)s::bigint, %(email_verified)s::bool, %(address_key)s::bigint,
        %(lines)s::jsonb, %(payment_method)s::text = '' AND %(total_minor)s::bigint > 0, NULL, %(most_orders)s::bigint, %(pieces)s::bigint,
        %(share)s::double precision, %(place_factor)s::bigint
    )
), placed AS (
    INSERT INTO orders_order (
        id, number, customer_id, idempotency_key, fingerprint, status, version, total_minor, currency, payment_method,
        pays_at_once, pay_before, cancel_reason, carrier, tracking_number, email_key, address_key,
        email_verified, unjudged, link_epoch
    )
    SELECT
        %(order_id)s::uuid, %(number)s, %(customer_id)s::uuid, %(idempotency_key)s, %(fingerprint)s, 'PENDING', 1,
        %(total_minor)s::bigint, %(currency)s, %(payment_method)s::text,
        %(payment_method)s::text <> '' OR %(total_minor)s::bigint = 0,
        statement_timestamp() + %(time_to_pay)s::interval, '', '', '', %(email_key)s::bigint, %(address_key)s::bigint,
        %(email_verified)s::bool, %(payment_method)s::text <> '', %(link_epoch)s::smallint
    FROM room WHERE room.unpaid < %(most_orders)s::bigint AND room.over_sku IS NULL
    ON CONFLICT (customer_id, idempotency_key) DO NOTHING
    RETURNING id, placed_at, pay_before
), lines AS (
    INSERT INTO orders_orderline (order_id, position, sku, name, quantity, unit_price_minor)
    SELECT placed.id, line.position, line.sku, line.name, line.quantity, line.unit_price_minor
    FROM placed, jsonb_to_recordset(%(lines)s::jsonb) AS line (
        position smallint, sku text, name text, quantity integer, unit_price_minor bigint
    )
), contact AS (
    INSERT INTO orders_contact (order_id, email, name, line1, line2, city, region, postal_code, country)
    SELECT
        placed.id, %(email)s, %(name)s, %(line1)s, %(line2)s, %(city)s, %(region)s, %(postal_code)s, %(country)s
    FROM placed
), saga AS (
    INSERT INTO orders_saga (id, order_id, name, due_at, waiting_for, log, attempts, last_error)
    SELECT
        %(saga_id)s::uuid, placed.id, 'checkout', statement_timestamp() + %(due_in)s::interval, '', '[]'::jsonb, 0, ''
    FROM placed
), told AS (
    INSERT INTO orders_outbox (
        event_id, type, schema_version, payload, traceparent, actor, request_id, last_error, aggregate_id, aggregate_version
    )
    SELECT
        %(event_id)s::uuid, %(event_type)s, %(event_version)s::smallint, %(payload)s::jsonb, %(traceparent)s, %(actor)s,
        %(request_id)s::uuid, '', placed.id, 1
    FROM placed
)
SELECT room.*, placed.placed_at, placed.pay_before,
    CASE WHEN %(asynchronous)s::bool THEN set_config('synchronous_commit', 'off', true) END
FROM room LEFT JOIN placed ON true
