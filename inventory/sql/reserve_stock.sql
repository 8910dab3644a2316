-- Reserve stock for these orders: every wish whole, or none of them.
-- A wish is the fact that it becomes, and who asks: {event_id, traceparent, actor, request_id, fact: {order_id, status,
-- lines: [{sku, quantity}]}}.
-- Locks: the orders (Note [One at a time for an order]), then stock in the order of SKUs, then the keys of the new
-- reservations in the order of ids. Whoever inserts a reservation waits for nothing afterwards, so that nobody can wait
-- for it in a circle.
--
-- Note [One at a time for an order]
-- An INSERT waits for whoever is updating the row that it conflicts with. Two callers for one order could so wait for each
-- other: one has the stock and meets the other's reservation, the other moves that reservation and wants the stock. Both
-- statements that take stock take a lock of the order first, which ends with the transaction.
WITH patience AS MATERIALIZED (
    SELECT set_config('lock_timeout', %(patience)s, true),
        CASE WHEN %(asynchronous)s::bool THEN set_config('synchronous_commit', 'off', true) END
),
wish AS MATERIALIZED (
    SELECT w.event_id, w.traceparent, w.actor, w.request_id, w.fact, (w.fact ->> 'order_id')::uuid AS order_id
    FROM jsonb_to_recordset(%(wishes)s::jsonb) AS w (
        event_id uuid, traceparent text, actor text, request_id uuid, fact jsonb
    )
),
line AS MATERIALIZED (
    SELECT wish.order_id, l.sku, l.quantity
    FROM wish, jsonb_to_recordset(wish.fact -> 'lines') AS l (sku text, quantity bigint)
),
-- Reads `patience`, so that it is set before a lock is waited for.
alone AS MATERIALIZED (
    SELECT count(pg_advisory_xact_lock(key)) AS locks
    FROM (SELECT DISTINCT hashtextextended(order_id::text, 0) AS key FROM wish, patience ORDER BY key) AS of_order
),
demand AS MATERIALIZED (SELECT sku, sum(quantity)::bigint AS quantity FROM line, alone WHERE locks > 0 GROUP BY sku),
-- = ANY(ARRAY(...)) here and below: found by index, however many rows the planner expects of a JSON text.
locked AS MATERIALIZED (
    SELECT s.*, p.id AS product_id, demand.quantity AS wanted,
        p.active AND tstzrange(p.active_from, p.active_to) @> now() AS active
    FROM inventory_stock AS s JOIN inventory_product AS p ON p.sku = s.sku JOIN demand ON demand.sku = s.sku
    WHERE s.sku = ANY(ARRAY(SELECT sku FROM demand)) ORDER BY s.sku FOR UPDATE OF s
),
met AS MATERIALIZED (
    SELECT FROM locked
    HAVING count(*) = (SELECT count(*) FROM demand) AND bool_and(active AND available >= wanted)
),
kept AS (
    INSERT INTO inventory_reservation (order_id, status, version, expires_at, short_sku)
    SELECT wish.order_id, wish.fact ->> 'status', 1, now() + make_interval(secs => %(ttl_seconds)s), ''
    FROM met, wish ORDER BY wish.order_id
    ON CONFLICT (order_id) DO NOTHING RETURNING order_id, expires_at
),
taken AS MATERIALIZED (SELECT line.order_id, line.sku, line.quantity FROM kept JOIN line USING (order_id)),
lines AS (
    INSERT INTO inventory_reservationline (reservation_id, sku, quantity) SELECT order_id, sku, quantity FROM taken
),
noted AS (
    INSERT INTO inventory_stockmovement (sku, kind, order_id, reference, available_delta, reserved_delta, sold_delta,
        received_delta, written_off_delta)
    SELECT sku, 'RESERVED', order_id, '', -quantity, quantity, 0, 0, 0 FROM taken ORDER BY sku
),
total AS MATERIALIZED (SELECT sku, sum(quantity)::bigint AS quantity FROM taken GROUP BY sku),
-- Every column from the locked row: the row that the UPDATE starts from is as old as this statement, and a CHECK would
-- be applied to what comes of it before the newest one is looked at.
moved AS (
    UPDATE inventory_stock AS s SET available = locked.available - total.quantity,
        reserved = locked.reserved + total.quantity, sold = locked.sold, received = locked.received,
        written_off = locked.written_off, version = locked.version + 1
    FROM locked JOIN total USING (sku) WHERE s.sku = locked.sku AND s.sku = ANY(ARRAY(SELECT sku FROM total))
    RETURNING s.sku, s.available, s.version
),
told AS (
    INSERT INTO inventory_outbox (event_id, type, schema_version, payload, traceparent, actor, request_id, last_error,
        aggregate_id, aggregate_version)
    SELECT wish.event_id, %(event_type)s, %(event_version)s::smallint, wish.fact, wish.traceparent, wish.actor,
        wish.request_id, '', order_id, 1
    FROM kept JOIN wish USING (order_id)
),
low AS (
    INSERT INTO inventory_outbox (event_id, type, schema_version, payload, traceparent, actor, request_id, last_error,
        aggregate_id, aggregate_version)
    SELECT gen_random_uuid(), %(low_type)s, %(low_version)s::smallint, jsonb_build_object('product_id',
        locked.product_id, 'sku', sku, 'available', moved.available, 'threshold', %(threshold)s::bigint), '', '', NULL, '',
        locked.product_id, moved.version
    FROM moved JOIN locked USING (sku)
    WHERE moved.available <= %(threshold)s::bigint AND locked.available > %(threshold)s::bigint
)
SELECT order_id, expires_at FROM kept
