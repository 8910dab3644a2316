-- How the payment of one order stands, as other contexts may see it. Locks nothing.
SELECT status, amount_minor, currency, captured_minor, refunded_minor, owed_minor, settled_minor, intent_id,
    decline_code, version, attempt, lost_minor, dispute_status, payment_method, may_try_another, refused::text
FROM payments_payment
WHERE order_id = %(order_id)s::uuid
