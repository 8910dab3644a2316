-- An email that is still PENDING becomes SENT, with its fact. Locks its row. One that was given up or sent meanwhile stays.
-- Returns whether another of its order waits for its turn.
WITH moved AS (
    UPDATE notifications_email
    SET status = 'SENT', version = version + 1, sent_at = now(), due_at = NULL, last_error = ''
    WHERE id = %(email_id)s::uuid AND status = 'PENDING'
    RETURNING id, version, order_id
), told AS (
    INSERT INTO notifications_outbox
        (event_id, type, schema_version, payload, traceparent, actor, request_id, last_error, aggregate_id, aggregate_version)
    SELECT %(event_id)s::uuid, %(event_type)s, %(event_version)s::smallint, %(payload)s::jsonb, %(traceparent)s, %(actor)s,
        %(request_id)s::uuid, '', id, version
    FROM moved
)
SELECT EXISTS (
    SELECT 1 FROM notifications_email AS next
    WHERE next.order_id = moved.order_id AND next.id <> moved.id AND coalesce(next.status, '') = 'PENDING'
        AND coalesce(next.due_at, 'infinity') <= now()  -- so found by the order, not among all that wait
)
FROM moved
