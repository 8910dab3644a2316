-- Let the link of an order be mailed for this request, unless it was for another within this time. One that was let through
-- stays so. Locks: its row. The caller holds the mailbox's lock. Returns its id; nothing where it is one too many.
UPDATE notifications_linkrequest AS asked
SET order_id = %(order_id)s::uuid
WHERE asked.id = %(request_id)s::uuid
    AND (
        asked.order_id IS NOT NULL
        OR NOT EXISTS (
            SELECT FROM notifications_linkrequest AS other
            WHERE other.order_id = %(order_id)s::uuid AND other.asked_at > now() - make_interval(secs => %(seconds)s::float8)
        )
    )
RETURNING asked.id
