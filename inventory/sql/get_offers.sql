-- What is for sale of these SKUs; the stock of holds that have expired counts, since whoever needs it frees it.
SELECT p.sku, p.name, p.price_minor, p.currency, p.weight_grams, p.tax_class, p.category, coalesce(s.available, 0) + coalesce((
    SELECT sum(l.quantity) FROM inventory_reservation AS r
    JOIN inventory_reservationline AS l ON l.reservation_id = r.order_id
    WHERE r.status = 'HELD' AND r.expires_at <= now() AND l.sku = p.sku
), 0)::bigint
FROM inventory_product AS p LEFT JOIN inventory_stock AS s ON s.sku = p.sku
-- (SELECT ...): the planner expects the same of any list, and so plans it once and not at each call.
WHERE p.active AND tstzrange(p.active_from, p.active_to) @> now()
    AND p.sku = ANY(string_to_array((SELECT %(skus)s::text), ','))
