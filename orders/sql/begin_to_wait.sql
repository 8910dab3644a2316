-- Let an order wait for its customer, who has to act at the bank, if there is room for what it holds meanwhile; tell of it
-- where that moves the order. An order that waits already, since a call failed before, is only judged.
-- Locks: as place_order.sql, those of email and address included; then the order's row.
-- Returns one row: the room there was, and the order's version or null where it may not wait. Returns no row where the
-- order was judged before, or somebody moved it.
WITH unjudged AS MATERIALIZED (
    SELECT customer_id, email_key, address_key FROM orders_order
    WHERE id = %(order_id)s::uuid AND status = %(expected)s::text AND unjudged
), room AS MATERIALIZED (
    SELECT found.* FROM unjudged, orders_room_to_wait(
        unjudged.customer_id, unjudged.email_key, %(email_verified)s::bool, unjudged.address_key, %(lines)s::jsonb, true,
        %(order_id)s::uuid, NULL, %(pieces)s::bigint, %(share)s::double precision, %(place_factor)s::bigint
    ) AS found
), moved AS (
    UPDATE orders_order SET
        status = 'AWAITING_PAYMENT',
        version = version + CASE WHEN %(expected)s::text = 'AWAITING_PAYMENT' THEN 0 ELSE 1 END,
        email_verified = %(email_verified)s::bool,
        unjudged = false
    FROM room
    WHERE
        orders_order.id = %(order_id)s::uuid AND orders_order.status = %(expected)s::text AND orders_order.unjudged
        AND room.over_sku IS NULL
    RETURNING orders_order.id, orders_order.version
), told AS (
    INSERT INTO orders_outbox (
        event_id, type, schema_version, payload, traceparent, actor, request_id, last_error, aggregate_id, aggregate_version
    )
    SELECT
        %(event_id)s::uuid, %(event_type)s, %(event_version)s::smallint, %(payload)s::jsonb, %(traceparent)s, %(actor)s,
        %(request_id)s::uuid, '', moved.id, moved.version
    FROM moved WHERE %(expected)s::text <> 'AWAITING_PAYMENT'
)
SELECT room.*, moved.version,
    CASE WHEN %(asynchronous)s::bool THEN set_config('synchronous_commit', 'off', true) END
FROM room LEFT JOIN moved ON true
