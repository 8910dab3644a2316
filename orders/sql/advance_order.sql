-- Move an order along its saga and tell of it; close the saga where that ends it.
-- Locks: the order's row, then its saga's. Returns nothing where somebody else moved the order first.
WITH moved AS (
    UPDATE orders_order SET
        status = %(to)s::text,
        version = version + 1,
        confirmed_at = CASE WHEN %(to)s::text = 'CONFIRMED' THEN statement_timestamp() ELSE confirmed_at END,
        closed_at = CASE WHEN %(to)s::text IN ('CANCELED', 'REFUNDED') THEN statement_timestamp() ELSE closed_at END,
        email_key = CASE WHEN %(to)s::text = 'AWAITING_PAYMENT' THEN email_key END,
        address_key = CASE WHEN %(to)s::text = 'AWAITING_PAYMENT' THEN address_key END,
        unjudged = unjudged AND %(to)s::text = 'AWAITING_PAYMENT'
    WHERE id = %(order_id)s::uuid AND status = ANY(%(expected)s::text[])
    RETURNING id, version, confirmed_at
), told AS (
    INSERT INTO orders_outbox (
        event_id, type, schema_version, payload, traceparent, actor, request_id, last_error, aggregate_id, aggregate_version
    )
    SELECT
        %(event_id)s::uuid, %(event_type)s, %(event_version)s::smallint, %(payload)s::jsonb, %(traceparent)s, %(actor)s,
        %(request_id)s::uuid, '', moved.id, moved.version
    FROM moved
), closed AS (
    UPDATE orders_saga SET
        finished_at = statement_timestamp(), due_at = NULL, waiting_for = '', parked_at = NULL, last_error = '',
        log = log || %(steps)s::jsonb
    FROM moved
    -- By the parameter too, so that a plan made while the table is young finds the row by index when it is not.
    WHERE orders_saga.order_id = moved.id AND orders_saga.order_id = %(order_id)s::uuid
        AND orders_saga.name = %(ends_saga)s AND orders_saga.finished_at IS NULL
)
SELECT version, confirmed_at,
    CASE WHEN %(asynchronous)s::bool THEN set_config('synchronous_commit', 'off', true) END
FROM moved
