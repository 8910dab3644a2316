-- Move the reservations of these orders that stand in a status of `steps` to another status, with their stock.
-- `asked`: [{order_id, event_id, traceparent, actor, request_id}]; `steps`: what one unit does to stock, by the status that
-- it comes from.
-- Locks: the orders (Note [One at a time for an order], reserve_stock.sql), reservations in the order of ids, then stock in
-- the order of SKUs. Without `alone` no lock of the orders is taken: whoever has reservations locked must not wait for one.
WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', %(patience)s, true)),
asked AS MATERIALIZED (
    SELECT a.order_id, a.event_id, a.traceparent, a.actor, a.request_id
    FROM patience, jsonb_to_recordset(%(asked)s::jsonb) AS a (
        order_id uuid, event_id uuid, traceparent text, actor text, request_id uuid
    )
),
alone AS MATERIALIZED (
    SELECT count(pg_advisory_xact_lock(key)) AS locks
    FROM (SELECT DISTINCT hashtextextended(order_id::text, 0) AS key FROM asked WHERE %(alone)s::bool ORDER BY key) AS of_order
),
step AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(steps)s::jsonb) AS s (status text, available bigint, reserved bigint, sold bigint)
),
-- The compare of the compare-and-set; what is held here moves. = ANY(ARRAY(...)) here and below: found by index, however
-- many rows the planner expects of a JSON text.
held AS MATERIALIZED (
    SELECT r.order_id, r.status, r.version FROM inventory_reservation AS r
    WHERE r.order_id = ANY(ARRAY(SELECT order_id FROM asked, alone WHERE locks >= 0))
        AND r.status = ANY(ARRAY(SELECT status FROM step))
        -- A hold that was overdue when it was looked up may have been extended since.
        AND (%(to)s <> 'EXPIRED' OR r.expires_at <= now())
    ORDER BY r.order_id FOR UPDATE
),
moved AS (
    UPDATE inventory_reservation AS r SET status = %(to)s, version = held.version + 1
    FROM held WHERE r.order_id = held.order_id AND r.order_id = ANY(ARRAY(SELECT order_id FROM held))
    RETURNING r.order_id, r.version, r.expires_at, held.status AS before
),
line AS MATERIALIZED (
    SELECT moved.order_id, l.sku, l.quantity, step.available * l.quantity AS available,
        step.reserved * l.quantity AS reserved, step.sold * l.quantity AS sold
    FROM moved JOIN step ON step.status = moved.before
        JOIN inventory_reservationline AS l ON l.reservation_id = moved.order_id
    WHERE l.reservation_id = ANY(ARRAY(SELECT order_id FROM held))
),
change AS MATERIALIZED (
    SELECT sku, sum(available)::bigint AS available, sum(reserved)::bigint AS reserved, sum(sold)::bigint AS sold
    FROM line GROUP BY sku
),
locked AS MATERIALIZED (
    SELECT s.* FROM inventory_stock AS s WHERE s.sku = ANY(ARRAY(SELECT sku FROM change)) ORDER BY s.sku FOR UPDATE
),
noted AS (
    INSERT INTO inventory_stockmovement (sku, kind, order_id, reference, available_delta, reserved_delta, sold_delta,
        received_delta, written_off_delta)
    SELECT sku, %(kind)s, order_id, '', available, reserved, sold, 0, 0 FROM line ORDER BY sku
),
-- Every column from the locked row: the row that the UPDATE starts from is as old as this statement.
shelved AS (
    UPDATE inventory_stock AS s SET available = locked.available + change.available,
        reserved = locked.reserved + change.reserved, sold = locked.sold + change.sold, received = locked.received,
        written_off = locked.written_off, version = locked.version + 1
    FROM locked JOIN change USING (sku) WHERE s.sku = locked.sku AND s.sku = ANY(ARRAY(SELECT sku FROM change))
),
fact AS MATERIALIZED (
    SELECT order_id, jsonb_agg(jsonb_build_object('sku', sku, 'quantity', quantity) ORDER BY sku COLLATE "C") AS lines
    FROM line GROUP BY order_id
),
told AS (
    INSERT INTO inventory_outbox (event_id, type, schema_version, payload, traceparent, actor, request_id, last_error,
        aggregate_id, aggregate_version)
    SELECT asked.event_id, %(event_type)s, %(event_version)s::smallint,
        jsonb_build_object('order_id', order_id, 'lines', fact.lines), asked.traceparent, asked.actor,
        asked.request_id, '', order_id, moved.version
    FROM moved JOIN fact USING (order_id) JOIN asked USING (order_id)
)
SELECT order_id, moved.expires_at, fact.lines FROM moved JOIN fact USING (order_id)
