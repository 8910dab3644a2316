-- Make a guest's orders an account's. The key is named after its guest from then on, and so collides with none of the account.
-- Uses of codes go along, unless the account has used the same code for one order of a customer before.
-- Locks: the orders' rows, then those of their uses. The caller holds the advisory locks of both customers, so that no order of
-- theirs is placed meanwhile.
WITH taken AS (
    UPDATE orders_order SET
        customer_id = %(customer_id)s::uuid, guest_id = %(guest_id)s::uuid, link_epoch = NULL,
        idempotency_key = CASE
            WHEN starts_with(idempotency_key, 'erased:') THEN idempotency_key
            ELSE %(guest_id)s::uuid || ' ' || idempotency_key
        END
    WHERE customer_id = %(guest_id)s::uuid AND guest_id IS NULL
    RETURNING id, version
), used AS (
    UPDATE orders_codeuse AS use SET customer_id = %(customer_id)s::uuid
    FROM taken
    WHERE use.order_id = taken.id AND NOT EXISTS (
        SELECT FROM orders_codeuse AS other
        WHERE
            other.code_id = use.code_id AND other.customer_id = %(customer_id)s::uuid AND other.once
            AND other.status IN ('HELD', 'USED')
    )
)
SELECT id, version FROM taken
