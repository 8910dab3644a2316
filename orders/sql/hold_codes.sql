-- Hold one use of each of these codes for an order that place_order.sql has placed in the same transaction. It comes after
-- the order: two requests with one key wait for each other at the order's unique key, and neither holds a code then.
-- Locks: the codes' rows, in the order of their ids, as the trigger on the order's status takes them. orders_lock_codes()
-- judges an order without a payment method only then, with a snapshot of its own; this statement's is older than the wait.
-- Returns for each code whether too many of its uses are held unpaid, whether it was free otherwise, and whether its use was
-- written: it was not where the customer has used it before.
WITH locked AS MATERIALIZED (
    SELECT code_id, crowded FROM orders_lock_codes(%(code_ids)s::bigint[], %(judged)s::bool, %(code_share)s::double precision)
), held AS (
    UPDATE orders_discountcode AS code SET held = code.held + 1
    FROM locked
    WHERE
        code.id = locked.code_id AND NOT locked.crowded
        AND code.active AND (code.max_uses IS NULL OR code.held + code.used < code.max_uses)
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
SELECT locked.code_id, locked.crowded, held.id IS NOT NULL, used.code_id IS NOT NULL
FROM locked LEFT JOIN held ON held.id = locked.code_id LEFT JOIN used ON used.code_id = locked.code_id
