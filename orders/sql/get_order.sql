-- One order with its contact and its lines, in one read.
SELECT
    o.id, o.number, o.customer_id, o.status, o.version, o.total_minor, o.currency, o.placed_at, o.pay_before,
    o.confirmed_at, o.closed_at, o.cancel_reason, o.refusal::text, o.carrier, o.tracking_number,
    o.payment_method <> '' AS has_payment_method,
    c.email, c.name, c.line1, c.line2, c.city, c.region, c.postal_code, c.country,
    c.erased_at IS NOT NULL AS erased,
    (
        SELECT jsonb_agg(jsonb_build_array(l.sku, l.name, l.quantity, l.unit_price_minor) ORDER BY l.position)::text
        FROM orders_orderline AS l WHERE l.order_id = o.id
    ) AS lines
FROM orders_order AS o JOIN orders_contact AS c ON c.order_id = o.id
WHERE o.id = %(order_id)s::uuid
