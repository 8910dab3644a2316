-- Have the orders of a customer placed one after the other until the end of the transaction.
-- Locks: the customer's advisory lock, which orders_room_to_wait() takes as well.
SELECT pg_advisory_xact_lock(hashtextextended('orders of ' || %(customer_id)s::uuid, 0))
