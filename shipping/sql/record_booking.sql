-- A shipment that is still PENDING becomes BOOKED, with its fact. Locks its row. One that was booked or canceled meanwhile
-- stays as it is. One that a dispute holds by now is due at once, and so is one that was made due while its carrier was
-- being asked: a hold that commits while this waits for the row is not seen here, but that it made the row due is.
WITH moved AS (
    UPDATE shipping_shipment
    SET status = 'BOOKED', version = version + 1, booked_at = now(),
        due_at = CASE
            WHEN due_at <= clock_timestamp() OR EXISTS (
                SELECT 1 FROM shipping_hold AS hold
                WHERE hold.order_id = shipping_shipment.order_id AND hold.released_at IS NULL
            ) THEN now()
            ELSE now() + make_interval(secs => %(after_seconds)s::float8)
        END,
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
