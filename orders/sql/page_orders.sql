-- Orders by rising id, as audits hold them against the rows of other contexts; lines and refunds only where they are wanted.
SELECT
    o.id, o.status, o.version, o.total_minor, o.currency, o.placed_at, o.confirmed_at, o.cancel_reason, o.carrier,
    o.tracking_number, CASE WHEN %(lines)s::boolean THEN coalesce((
        SELECT string_agg(l.sku || ':' || l.quantity, ',' ORDER BY l.sku COLLATE "C") FROM (
            SELECT sku, sum(quantity) AS quantity FROM orders_orderline WHERE order_id = o.id GROUP BY sku
        ) AS l
    ), '') ELSE '' END, CASE WHEN %(refunds)s::boolean THEN coalesce((
        SELECT string_agg(
            replace(f.type, 'order.', '') || ':' || (f.payload ->> 'refund_id') || ':' || (f.payload -> 'amount' ->> 'minor'), ','
        )
        FROM (
            SELECT type, payload FROM orders_outbox WHERE aggregate_id = o.id
            UNION ALL SELECT type, payload FROM orders_history WHERE aggregate_id = o.id
        ) AS f
        WHERE f.type IN ('order.refund_issued', 'order.refund_returned')
    ), '') ELSE '' END
FROM orders_order AS o WHERE o.id > %(after)s::uuid ORDER BY o.id LIMIT %(limit)s::int
