-- Record what else the customer said with an order that place_order.sql has placed in the same transaction.
-- Writes nothing where that placed none. Locks: its own row.
INSERT INTO orders_contactdetails (
    order_id, company, vat_number, phone, note, locale, billing_name, billing_line1, billing_line2, billing_city,
    billing_region, billing_postal_code, billing_country
)
SELECT
    placed.id, %(company)s, %(vat_number)s, %(phone)s, %(note)s, %(locale)s, %(billing_name)s, %(billing_line1)s,
    %(billing_line2)s, %(billing_city)s, %(billing_region)s, %(billing_postal_code)s, %(billing_country)s
FROM orders_order AS placed WHERE placed.id = %(order_id)s::uuid
