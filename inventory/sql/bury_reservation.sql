-- Write the tombstone of an order that has reserved nothing. Waits for a reservation of the order that is under way.
WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', %(patience)s, true)),
kept AS (
    INSERT INTO inventory_reservation (order_id, status, version, short_sku)
    SELECT %(order_id)s::uuid, 'RELEASED', 1, '' FROM patience
    ON CONFLICT (order_id) DO NOTHING RETURNING order_id, version
),
told AS (
    INSERT INTO inventory_outbox (event_id, type, schema_version, payload, traceparent, actor, request_id, last_error,
        aggregate_id, aggregate_version)
    SELECT %(event_id)s::uuid, %(event_type)s, %(event_version)s::smallint, %(payload)s::jsonb, %(traceparent)s, %(actor)s,
        %(request_id)s::uuid, '', order_id, version
    FROM kept
)
SELECT order_id FROM kept
