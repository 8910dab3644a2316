-- Make a guest's orders an account's. The key is named after its guest from then on, and so collides with none of the account.
-- Locks: the orders' rows. The caller holds the advisory locks of both customers, so that no order of theirs is placed meanwhile.
UPDATE orders_order SET
    customer_id = %(customer_id)s::uuid, guest_id = %(guest_id)s::uuid, link_epoch = NULL,
    idempotency_key = CASE
        WHEN starts_with(idempotency_key, 'erased:') THEN idempotency_key
        ELSE %(guest_id)s::uuid || ' ' || idempotency_key
    END
WHERE customer_id = %(guest_id)s::uuid AND guest_id IS NULL
RETURNING id, version
