-- The sagas of these orders that wait for somebody outside are due now; one that runs is left alone. Rows are locked in
-- the order of their keys, so that two batches that overlap wait for each other and do not deadlock.
WITH waiting AS MATERIALIZED (
    SELECT id FROM orders_saga
    WHERE order_id = ANY(%(order_ids)s::uuid[]) AND finished_at IS NULL AND waiting_for <> ''
    ORDER BY id
    FOR UPDATE
)
UPDATE orders_saga AS saga SET due_at = statement_timestamp(), waiting_for = ''
FROM waiting WHERE saga.id = waiting.id
RETURNING saga.id
