-- Reservations by rising id, with their lines as the audit compares them.
SELECT r.order_id, r.status, coalesce((
    SELECT string_agg(l.sku || ':' || l.quantity, ',' ORDER BY l.sku COLLATE "C")
    FROM inventory_reservationline AS l WHERE l.reservation_id = r.order_id
), '')
FROM inventory_reservation AS r WHERE r.order_id > %(after)s::uuid ORDER BY r.order_id LIMIT %(limit)s::int
