-- HELD to PAYING, unless the hold's time is over. Locks the reservation.
WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', %(patience)s, true)),
moved AS (
    UPDATE inventory_reservation AS r SET status = 'PAYING', version = r.version + 1 FROM patience
    WHERE r.order_id = %(order_id)s::uuid AND r.status = 'HELD' AND r.expires_at > now()
    RETURNING r.order_id, r.version, r.expires_at
),
told AS (
    INSERT INTO inventory_outbox (event_id, type, schema_version, payload, traceparent, actor, request_id, last_error,
        aggregate_id, aggregate_version)
    SELECT %(event_id)s::uuid, %(event_type)s, %(event_version)s::smallint, %(payload)s::jsonb, %(traceparent)s, %(actor)s,
        %(request_id)s::uuid, '', order_id, version
    FROM moved
)
SELECT expires_at, (
    SELECT jsonb_agg(jsonb_build_object('sku', l.sku, 'quantity', l.quantity))
    FROM inventory_reservationline AS l WHERE l.reservation_id = moved.order_id
) FROM moved
