-- Close the due notices that can teach nothing any more, by how their intents' payments stand now.
-- Locks: the notices' rows; those that others work on are left to them. `types` and `known`: pairs of a notice's type
-- and a status that knows as much.
WITH learned AS (
    SELECT notice.id
    FROM payments_webhookevent AS notice
    JOIN payments_payment AS payment ON payment.intent_id = notice.intent_id
    JOIN unnest(%(types)s::text[], %(known)s::text[]) AS knows (type, status)
        ON knows.type = notice.type AND knows.status = payment.status
    WHERE notice.due_at <= now()
    ORDER BY notice.due_at
    LIMIT %(most)s::integer
    FOR UPDATE OF notice SKIP LOCKED
)
UPDATE payments_webhookevent AS notice
SET applied_at = now(), due_at = NULL, outcome = 'nothing_new', last_error = ''
FROM learned
WHERE notice.id = learned.id
RETURNING notice.id
