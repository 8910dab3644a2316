-- How many orders of guests wait for a payment for one mailbox, those aside that brought a card and are being walked. They
-- count whoever has taken them along.
SELECT count(*) FROM orders_order
WHERE
    email_key = %(email_key)s::bigint AND status IN ('PENDING', 'AWAITING_PAYMENT')
    AND (link_epoch IS NOT NULL OR guest_id IS NOT NULL)
    AND (status = 'AWAITING_PAYMENT' OR NOT pays_at_once)
