-- What a saga needs to know of one order; whether it is overdue is the database's clock's to say.
SELECT
    o.status, o.total_minor, o.currency, o.payment_method, o.pays_at_once, o.pay_before < statement_timestamp(),
    o.pay_before, o.placed_at, o.cancel_reason, o.unjudged,
    (
        SELECT jsonb_agg(jsonb_build_array(l.sku, l.quantity) ORDER BY l.position)::text
        FROM orders_orderline AS l WHERE l.order_id = o.id
    )
FROM orders_order AS o WHERE o.id = %(order_id)s::uuid
