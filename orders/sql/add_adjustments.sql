-- Record what is added to the lines' prices and taken off, of an order that place_order.sql has placed in the same
-- transaction. Writes nothing where that placed none. Locks: its own rows.
INSERT INTO orders_adjustment (order_id, position, kind, label, code, rate, amount_minor, included, shares)
SELECT
    placed.id, told.position, told.kind, told.label, told.code, told.rate, told.amount_minor, told.included, told.shares
FROM orders_order AS placed, jsonb_to_recordset(%(adjustments)s::jsonb) AS told (
    position smallint, kind text, label text, code text, rate numeric, amount_minor bigint, included boolean,
    shares bigint[]
)
WHERE placed.id = %(order_id)s::uuid
