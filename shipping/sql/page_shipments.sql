-- Shipments by the rising ids of their orders, as the audit holds them against these.
SELECT order_id, id, status, carrier, tracking_number
FROM shipping_shipment WHERE order_id > %(after)s::uuid ORDER BY order_id LIMIT %(limit)s::int
