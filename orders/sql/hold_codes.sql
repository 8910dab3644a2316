-- Hold one use of each of these codes for an order that place_order.sql has placed in the same transaction. It comes after
-- the order: two requests with one key wait for each other at the order's unique key, and neither holds a code then.
-- Locks: the codes' rows, in the order of their ids, as the trigger on the order's status takes them.
-- Returns for each code that was free whether its use was written: it was not where the customer has used it before.
WITH free AS MATERIALIZED (
    SELECT id FROM orders_discountcode WHERE id = ANY(%(code_ids)s::bigint[]) ORDER BY id FOR NO KEY UPDATE
), held AS (
    UPDATE orders_discountcode AS code SET held = code.held + 1
    FROM free
    WHERE code.id = free.id AND code.active AND (code.max_uses IS NULL OR code.held + code.used < code.max_uses)
    RETURNING code.id, code.once_per_customer
), used AS (
    INSERT INTO orders_codeuse (order_id, code_id, customer_id, mailbox_key, once, status)
    SELECT
        %(order_id)s::uuid, held.id, %(customer_id)s::uuid,
        CASE WHEN held.once_per_customer THEN %(mailbox_key)s::bigint END, held.once_per_customer, 'HELD'
    FROM held
    ON CONFLICT DO NOTHING
    RETURNING code_id
), noted AS (
    UPDATE orders_order SET has_codes = true WHERE id = %(order_id)s::uuid
)
SELECT held.id, used.code_id IS NOT NULL FROM held LEFT JOIN used ON used.code_id = held.id
