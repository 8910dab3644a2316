-- Write a payment down, with the fact of it, unless its order has one: NEW with its keys, or a void's tombstone.
-- Locks: the new row's key; a second one waits until the first is durable, and then inserts nothing.
WITH opened AS (
    INSERT INTO payments_payment
        (order_id, status, version, amount_minor, currency, payment_method, void_reason, attempts, last_error)
    VALUES
        (%(order_id)s::uuid, %(status)s, 1, %(amount_minor)s, %(currency)s, %(payment_method)s, %(void_reason)s, 0, '')
    ON CONFLICT (order_id) DO NOTHING
    RETURNING order_id, version, created_at
), told AS (
    INSERT INTO payments_outbox
        (event_id, type, schema_version, payload, traceparent, actor, request_id, last_error, aggregate_id, aggregate_version)
    SELECT %(event_id)s::uuid, %(event_type)s, %(event_version)s::smallint, %(payload)s::jsonb, %(traceparent)s, %(actor)s,
        %(request_id)s::uuid, '', order_id, version
    FROM opened
)
SELECT created_at FROM opened
