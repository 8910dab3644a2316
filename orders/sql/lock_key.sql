-- Have the orders of a mailbox, or of a place, judged one after the other until the end of the transaction.
-- Locks: the key's advisory lock, which orders_room_to_wait() takes as well; take the lower of two first.
SELECT pg_advisory_xact_lock(%(key)s::bigint)
