-- Have whoever asks for the same mailbox wait until the end of this transaction.
-- Locks: the mailbox's advisory lock.
SELECT pg_advisory_xact_lock(hashtextextended('emails to ' || %(key)s::bigint, 0))
