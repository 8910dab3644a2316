-- What is on record of one order.
SELECT r.status, r.expires_at, coalesce(r.expires_at <= now(), false), r.extended_at IS NOT NULL, r.short_sku, r.short_wanted, r.short_available, (
    SELECT jsonb_agg(jsonb_build_object('sku', l.sku, 'quantity', l.quantity))
    FROM inventory_reservationline AS l WHERE l.reservation_id = r.order_id
)
FROM inventory_reservation AS r WHERE r.order_id = %(order_id)s::uuid
