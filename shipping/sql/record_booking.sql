-- A shipment that is still PENDING becomes BOOKED, with its fact. Locks its row. One that was booked or canceled meanwhile
-- stays as it is.
WITH moved AS (
    UPDATE shipping_shipment
    SET status = 'BOOKED', version = version + 1, booked_at = now(),
        due_at = now() + make_interval(secs => %(after_seconds)s::float8),
        attempts = 0, last_error = '', refusal_code = '', carrier = %(carrier)s,
        carrier_reference = %(carrier_reference)s, tracking_number = %(tracking_number)s, label_url = %(label_url)s
    WHERE id = %(shipment_id)s::uuid AND status = 'PENDING'
    RETURNING id, version
), told AS (
    INSERT INTO shipping_outbox
        (event_id, type, schema_version, payload, traceparent, actor, request_id, last_error, aggregate_id, aggregate_version)
    SELECT %(event_id)s::uuid, %(event_type)s, %(event_version)s::smallint, %(payload)s::jsonb, %(traceparent)s, %(actor)s,
        %(request_id)s::uuid, '', id, version
    FROM moved
)
SELECT version,
    CASE WHEN %(asynchronous)s::bool THEN set_config('synchronous_commit', 'off', true) END
FROM moved
