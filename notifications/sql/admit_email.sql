-- Let an email through, unless as many as may be were let through to its mailbox in this time. One that was stays so.
-- Locks: its row. The caller holds the mailbox's lock. Returns its id; nothing where it is one too many.
UPDATE notifications_email AS email
SET recipient_key = %(key)s::bigint
WHERE email.id = %(email_id)s::uuid
    AND (
        email.recipient_key = %(key)s::bigint
        OR (
            SELECT count(*) FROM notifications_email AS other
            WHERE other.recipient_key = %(key)s::bigint
                AND other.queued_at > now() - make_interval(secs => %(seconds)s::float8)
        ) < %(most)s::bigint
    )
RETURNING email.id
