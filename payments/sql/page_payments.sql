-- Payments by rising id, as the audit holds them against their orders.
SELECT order_id, status, amount_minor, currency, captured_minor, refunded_minor, settled_minor, lost_minor, owed_minor,
    intent_id IS NOT NULL
FROM payments_payment WHERE order_id > %(after)s::uuid ORDER BY order_id LIMIT %(limit)s::int
