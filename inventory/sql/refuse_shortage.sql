-- Record that an order is refused for want of stock: SHORT, with the first SKU of which there is too little.
-- Unless it has an answer already, wants what is not for sale, or expired holds still keep some of what it lacks.
-- No lock on stock: one statement sees one instant, in which a hold either is expired and still keeps its stock or has
-- given it back. Waits only for an answer to the same order that is under way.
WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', %(patience)s, true)),
known AS MATERIALIZED (SELECT FROM inventory_reservation WHERE order_id = %(order_id)s::uuid),
line AS MATERIALIZED (SELECT * FROM jsonb_to_recordset(%(lines)s::jsonb) AS l (sku text, quantity bigint)),
level AS MATERIALIZED (
    SELECT s.sku, p.active AND tstzrange(p.active_from, p.active_to) @> now() AS active, s.available
    FROM inventory_stock AS s JOIN inventory_product AS p ON p.sku = s.sku
    WHERE s.sku = ANY(ARRAY(SELECT sku FROM line))
),
unsold AS MATERIALIZED (SELECT sku FROM line LEFT JOIN level USING (sku) WHERE level.active IS NOT TRUE),
short AS MATERIALIZED (
    SELECT sku, line.quantity AS wanted, level.available FROM line JOIN level USING (sku)
    WHERE line.quantity > level.available ORDER BY sku COLLATE "C"
),
expired AS MATERIALIZED (
    SELECT r.order_id FROM inventory_reservation AS r
    WHERE r.status = 'HELD' AND r.expires_at <= now() AND EXISTS (
        SELECT FROM inventory_reservationline AS l
        WHERE l.reservation_id = r.order_id AND l.sku = ANY(ARRAY(SELECT sku FROM short))
    )
    ORDER BY r.expires_at LIMIT %(limit)s::bigint
),
kept AS (
    INSERT INTO inventory_reservation (order_id, status, version, short_sku, short_wanted, short_available)
    SELECT %(order_id)s::uuid, 'SHORT', 1, first.sku, first.wanted, first.available
    FROM patience, (SELECT * FROM short LIMIT 1) AS first
    WHERE NOT EXISTS (SELECT FROM known) AND NOT EXISTS (SELECT FROM unsold) AND NOT EXISTS (SELECT FROM expired)
    ON CONFLICT (order_id) DO NOTHING RETURNING order_id, version, short_sku, short_wanted, short_available
),
lines AS (
    INSERT INTO inventory_reservationline (reservation_id, sku, quantity)
    SELECT kept.order_id, line.sku, line.quantity FROM kept, line
),
told AS (
    INSERT INTO inventory_outbox (event_id, type, schema_version, payload, traceparent, actor, request_id, last_error,
        aggregate_id, aggregate_version)
    SELECT %(event_id)s::uuid, %(event_type)s, %(event_version)s::smallint, jsonb_build_object('order_id', order_id,
        'sku', short_sku, 'wanted', short_wanted, 'available', short_available), %(traceparent)s, %(actor)s,
        %(request_id)s::uuid, '', order_id, version
    FROM kept
)
SELECT EXISTS (SELECT FROM known), ARRAY(SELECT sku FROM unsold ORDER BY sku COLLATE "C"),
    ARRAY(SELECT order_id FROM expired), kept.short_sku, kept.short_wanted, kept.short_available
FROM (SELECT) AS one LEFT JOIN kept ON true
