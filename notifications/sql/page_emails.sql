-- The emails of orders by the rising ids of these, as the audit holds them against what was told of the orders.
SELECT order_id, string_agg(kind || ':' || cause_id || ':' || coalesce(amount_minor::text, reason), ',')
FROM notifications_email WHERE order_id > %(after)s::uuid GROUP BY order_id ORDER BY order_id LIMIT %(limit)s::int
