-- Give orders their shipments, due to be booked, each with its fact. An order that has one, or its tombstone, keeps that.
-- With a lease they are claimed by their writer, who asks this carrier: due when the lease ends. Returns also which of them
-- a dispute holds, so that nobody asks the carrier.
-- Locks: none but the keys of the new rows, in the order of the orders, so that two batches wait and do not deadlock.
WITH wanted AS (
    SELECT *
    FROM jsonb_to_recordset(%(shipments)s::jsonb) AS wanted (
        id uuid, order_id uuid,
        event_id uuid, event_type text, event_version smallint, payload text, traceparent text, actor text,
        request_id uuid
    )
), created AS (
    INSERT INTO shipping_shipment (
        id, version, order_id, status, carrier, carrier_reference, tracking_number, label_url, refusal_code,
        cancel_reason, due_at, attempts, last_error, carrier_asked_at
    )
    SELECT id, 1, order_id, 'PENDING', CASE WHEN %(lease)s::float8 IS NULL THEN '' ELSE %(carrier)s END, '', '', '', '', '',
        now() + make_interval(secs => coalesce(%(lease)s::float8, 0)), 0, '',
        CASE WHEN %(lease)s::float8 IS NOT NULL THEN now() END
    FROM wanted
    ORDER BY order_id
    ON CONFLICT (order_id) DO NOTHING
    RETURNING id, due_at, order_id
), told AS (
    INSERT INTO shipping_outbox (
        event_id, type, schema_version, payload, traceparent, actor, request_id, last_error, aggregate_id, aggregate_version
    )
    SELECT event_id, event_type, event_version, payload::jsonb, traceparent, actor, request_id, '', id, 1
    FROM wanted JOIN created USING (id)
    ORDER BY event_id
)
SELECT id, due_at, EXISTS (
    SELECT 1 FROM shipping_hold AS hold WHERE hold.order_id = created.order_id AND hold.released_at IS NULL
) FROM created
