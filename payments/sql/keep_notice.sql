-- Keep a webhook's notice, once by its id, and judge it in the same statement by how its intent's payment stands:
-- closed where it can teach nothing any more, due later where a call of ours is about to record the same, else due now.
-- Locks: the new row's key. Returns whether it is due now; nothing where it was kept before.
INSERT INTO payments_webhookevent (event_id, type, intent_id, attempts, last_error, due_at, applied_at, outcome)
SELECT
    %(event_id)s, %(type)s, %(intent_id)s, 0, '',
    CASE
        WHEN is_known THEN NULL
        WHEN status = ANY(%(under_way)s::text[]) THEN now() + make_interval(secs => %(patience_seconds)s::float8)
        ELSE now()
    END,
    CASE WHEN is_known THEN now() END,
    CASE WHEN is_known THEN 'nothing_new' ELSE '' END
FROM (SELECT (SELECT status FROM payments_payment WHERE intent_id = %(intent_id)s) AS status) AS payment,
    LATERAL (SELECT coalesce(status = ANY(%(known)s::text[]), false) AS is_known) AS judged
ON CONFLICT (event_id) DO NOTHING
RETURNING due_at <= now(),
    CASE WHEN %(asynchronous)s::bool AND due_at IS DISTINCT FROM now() THEN set_config('synchronous_commit', 'off', true) END
