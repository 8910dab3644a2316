-- Move one payment to a status, if it stands in one of those that are expected, and tell the fact of the move.
-- Locks: the payment's row. What is null among the parameters leaves its column as it is, but for `due_seconds`.
-- `tried`: only while so many payment methods are over, null where that does not matter; `refused`: the further ones.
WITH moved AS (
    UPDATE payments_payment SET
        status = %(to)s,
        version = version + 1,
        changed_at = now(),
        due_at = now() + make_interval(secs => %(due_seconds)s::float8),
        attempts = %(attempts)s,
        last_error = %(last_error)s,
        attempt = attempt + %(renewed)s::smallint,
        attempt_began_at = CASE WHEN %(renewed)s::smallint = 0 THEN attempt_began_at ELSE now() END,
        intent_id = coalesce(%(intent_id)s, intent_id),
        captured_minor = coalesce(%(captured_minor)s, captured_minor),
        decline_code = coalesce(%(decline_code)s, decline_code),
        may_try_another = coalesce(%(may_try_another)s::bool, may_try_another),
        payment_method = coalesce(%(payment_method)s, payment_method),
        refused = refused || %(refused)s::jsonb,
        void_reason = coalesce(%(void_reason)s, void_reason)
    WHERE order_id = %(order_id)s::uuid AND status = ANY(%(expected)s::text[])
        AND jsonb_array_length(refused) = coalesce(%(tried)s::integer, jsonb_array_length(refused))
    RETURNING order_id, version
), told AS (
    INSERT INTO payments_outbox
        (event_id, type, schema_version, payload, traceparent, actor, request_id, last_error, aggregate_id, aggregate_version)
    SELECT %(event_id)s::uuid, %(event_type)s, %(event_version)s::smallint, %(payload)s::jsonb, %(traceparent)s, %(actor)s,
        %(request_id)s::uuid, '', order_id, version
    FROM moved
)
SELECT version,
    CASE WHEN %(asynchronous)s::bool THEN set_config('synchronous_commit', 'off', true) END
FROM moved
