-- Leave emails to be sent, each with its fact. One that its cause has already is left as it is. With a lease, an email that
-- waits for no earlier one of its order is claimed by its writer: due when the lease ends, with one attempt begun.
-- Locks: none but the keys of the new rows, in the order of the unique index, so that two batches wait and do not deadlock.
WITH wanted AS (
    SELECT *
    FROM jsonb_to_recordset(%(emails)s::jsonb) AS wanted (
        id uuid, order_id uuid, kind text, cause_id uuid, reason text, amount_minor bigint, currency text,
        event_id uuid, event_type text, event_version smallint, payload text, traceparent text, actor text,
        request_id uuid
    )
), placed AS (
    SELECT wanted.*, %(lease)s::float8 IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM notifications_email AS earlier
        WHERE earlier.order_id = wanted.order_id AND coalesce(earlier.status, '') = 'PENDING'
            AND coalesce(earlier.due_at, '-infinity') > '-infinity'  -- so found by the order, not among all that wait
        OFFSET 0  -- so asked for each email: PostgreSQL expects a hundred of them, and would read a table of thousands once instead
    ) AS leased
    FROM wanted
), queued AS (
    INSERT INTO notifications_email (
        id, version, order_id, kind, cause_id, reason, amount_minor, currency, status, due_at, attempts, last_error
    )
    SELECT id, 1, order_id, kind, cause_id, reason, amount_minor, currency, 'PENDING',
        CASE WHEN leased THEN now() + make_interval(secs => %(lease)s::float8) ELSE now() END, leased::int, ''
    FROM placed
    ORDER BY order_id, kind, cause_id
    ON CONFLICT (order_id, kind, cause_id) DO NOTHING
    RETURNING id, CASE WHEN attempts = 1 THEN due_at END AS leased_until
), told AS (
    INSERT INTO notifications_outbox (
        event_id, type, schema_version, payload, traceparent, actor, request_id, last_error, aggregate_id, aggregate_version
    )
    SELECT event_id, event_type, event_version, payload::jsonb, traceparent, actor, request_id, '', id, 1
    FROM wanted JOIN queued USING (id)
    ORDER BY event_id
)
SELECT id, leased_until FROM queued
