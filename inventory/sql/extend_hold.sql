-- Extend a hold whose time is not over, once. Locks the reservation.
WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', %(patience)s, true)),
extended AS (
    UPDATE inventory_reservation AS r SET
        expires_at = r.expires_at + make_interval(secs => %(seconds)s::double precision), extended_at = now()
    FROM patience
    WHERE r.order_id = %(order_id)s::uuid AND r.status = 'HELD' AND r.expires_at > now() AND r.extended_at IS NULL
    RETURNING r.order_id, r.expires_at
)
SELECT expires_at, (
    SELECT jsonb_agg(jsonb_build_object('sku', l.sku, 'quantity', l.quantity))
    FROM inventory_reservationline AS l WHERE l.reservation_id = extended.order_id
) FROM extended
