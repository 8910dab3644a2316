"""What is planted in orders, and in the codes that lower their prices."""

from __future__ import annotations

from tests.integration.audit.corruptions.corruption import (
    AWAITING,
    CANCELED,
    CONFIRMED,
    DELIVERED,
    FACT,
    PLACED,
    REFUNDED,
    SHIPPED,
    Corruption,
    of,
)

ORDER = "UPDATE orders_order SET {} WHERE id = '{{id}}'"
ADJUSTMENT = (
    "INSERT INTO orders_adjustment (order_id, position, kind, label, code, amount_minor, included, shares)"
    " VALUES ('{{id}}', {})"
)
CODE = (
    "INSERT INTO orders_discountcode (code, label, percent, currency, skus, categories, once_per_customer, max_uses, held, used,"
    " active) VALUES ('PLANTED', 'Planted', 10, '', '{{}}', '{{}}', false, 5, {held}, {used}, true)"
)
CODE_USE = CODE + (
    "; INSERT INTO orders_codeuse (order_id, code_id, customer_id, once, status)"
    " SELECT '{{id}}', id, '{{customer}}', false, '{status}' FROM orders_discountcode WHERE code = 'PLANTED'"
)
SAGA = "UPDATE orders_saga SET {} WHERE order_id = '{{id}}' AND name = 'checkout'"


ORDERS = of(
    "orders",
    (
        "an order's total is what its lines and adjustments add up to",
        CONFIRMED,
        ORDER.format("total_minor = total_minor + 1"),
    ),
    (
        "an order's total is what its lines and adjustments add up to",
        DELIVERED,
        "DELETE FROM orders_orderline WHERE order_id = '{id}'",
    ),
    (
        "an order's total is what its lines and adjustments add up to",
        SHIPPED,
        "UPDATE orders_orderline SET position = 7 WHERE order_id = '{id}'",
    ),
    (
        "an order's total is what its lines and adjustments add up to",
        CANCELED,
        ADJUSTMENT.format("1, 'fee', 'Small order', '', 100, false, '{100}'"),
    ),
    (
        "an order's total is what its lines and adjustments add up to",
        CONFIRMED,
        ADJUSTMENT.format("2, 'tax', 'VAT', 'DE', 200, true, '{200}'"),
    ),
    (
        "the shares of the lines add up to each amount",
        REFUNDED,
        ADJUSTMENT.format("1, 'tax', 'VAT', 'DE', 200, true, '{199}'"),
    ),
    (
        "the shares of the lines add up to each amount",
        SHIPPED,
        ADJUSTMENT.format("1, 'tax', 'VAT', 'DE', 200, true, '{100,100}'"),
    ),
    (
        "no line of an order costs less than nothing",
        DELIVERED,
        (
            ADJUSTMENT.format("1, 'discount', 'All and more', 'MORE', -1300, false, '{-1300,0}'")
            + "; "
            + ADJUSTMENT.format("2, 'fee', 'Back again', 'FEE', 1300, false, '{0,1300}'")
        ),
    ),
    ("the use of a code stands where its order stands", CONFIRMED, CODE_USE.format(held=1, used=0, status="HELD")),
    ("the use of a code stands where its order stands", CANCELED, CODE_USE.format(held=0, used=1, status="USED")),
    ("an order uses the codes that it got cheaper by", DELIVERED, CODE_USE.format(held=0, used=1, status="USED")),
    ("an order uses the codes that it got cheaper by", REFUNDED, ORDER.format("has_codes = true")),
    (
        "the stock of an order is what it bought",
        SHIPPED,
        "UPDATE orders_orderline SET quantity = 2, unit_price_minor = 625 WHERE order_id = '{id}'",
    ),
    ("an order says to whom it goes", CONFIRMED, "DELETE FROM orders_contact WHERE order_id = '{id}'"),
    (
        "what was said with an order is erased with its contact",
        DELIVERED,
        (
            "UPDATE orders_contact SET email = 'erased@erased.invalid', name = 'erased', line1 = 'erased', line2 = '',"
            " city = 'erased', region = '', postal_code = 'erased', erased_at = now() WHERE order_id = '{id}'; "
            "INSERT INTO orders_contactdetails (order_id, company, vat_number, phone, note, locale, billing_name, billing_line1,"
            " billing_line2, billing_city, billing_region, billing_postal_code, billing_country)"
            " VALUES ('{id}', 'Analytical Engines', '', '', '', '', '', '', '', '', '', '', '')"
        ),
    ),
    ("an order's moments and words are those of its status", DELIVERED, ORDER.format("confirmed_at = NULL")),
    (
        "an order's moments and words are those of its status",
        CANCELED,
        ORDER.format("closed_at = now() + interval '1 day'"),
    ),
    ("an order's moments and words are those of its status", CANCELED, ORDER.format("cancel_reason = ''")),
    ("an order's moments and words are those of its status", SHIPPED, ORDER.format("tracking_number = ''")),
    ("each order moved along its table only", CONFIRMED, ORDER.format("status = 'REFUNDING'")),
    ("each move of each order has its event", CONFIRMED, ORDER.format("version = version + 1")),
    ("no order may be paid for ever", AWAITING, ORDER.format("pay_before = now() + interval '10 years'")),
    ("an order is given more time to pay at most once", CONFIRMED, FACT.format("type = 'order.hold_extended'")),
    (
        "an order is given more time to pay at most once",
        DELIVERED,
        ORDER.format("hold_extension = '{customer}'")
        + "; UPDATE orders_outbox SET type = 'order.hold_extended' WHERE aggregate_id = '{id}'"
        " AND type IN ('order.placed', 'order.confirmed')",
    ),
    ("no order is stuck", AWAITING, SAGA.format("finished_at = now(), due_at = NULL")),
    ("no order is stuck", AWAITING, SAGA.format("due_at = NULL")),
    ("no saga is overdue, and none goes round in circles", PLACED, SAGA.format("due_at = now() - interval '1 hour'")),
    (
        "no saga is overdue, and none goes round in circles",
        PLACED,
        SAGA.format("walked_since = now() - interval '1 hour'"),
    ),
    ("no saga rests for longer than one may", AWAITING, SAGA.format("due_at = now() + interval '1 year'")),
    (
        "no saga rests for longer than one may",
        AWAITING,
        SAGA.format("due_at = now() + interval '1 day', waiting_for = 'dispute'"),
    ),
    ("no saga rests for longer than one may", PLACED, SAGA.format("walked_since = now() + interval '1 year'")),
    ("a saga is open exactly while its order needs it", CONFIRMED, SAGA.format("finished_at = NULL, due_at = now()")),
    ("a saga is open exactly while its order needs it", DELIVERED, SAGA.format("due_at = now()")),
    (
        "no saga is renewed for ever",
        AWAITING,
        ORDER.format("pay_before = now() - interval '2 hours'")
        + "; "
        + SAGA.format("started_at = now() - interval '3 hours'"),
    ),
    (
        "one order per Idempotency-Key",
        REFUNDED,
        "ALTER TABLE orders_order DROP CONSTRAINT orders_one_order_per_key; "
        + ORDER.format(
            "idempotency_key = (SELECT idempotency_key FROM orders_order WHERE customer_id = '{customer}' ORDER BY id LIMIT 1)"
        ),
    ),
    ("each order has its key and the mark of its request", CONFIRMED, ORDER.format("fingerprint = ''")),
    (
        "stock, money and parcels belong to an order",
        CANCELED,
        (
            "DELETE FROM orders_orderline WHERE order_id = '{id}'; DELETE FROM orders_contact WHERE order_id = '{id}';"
            " DELETE FROM orders_saga WHERE order_id = '{id}'; DELETE FROM orders_order WHERE id = '{id}'"
        ),
    ),
)


CODES = (
    Corruption(
        "a code's counters are those of its uses",
        CONFIRMED,
        "orders",
        CODE.format(held=0, used=1),
        about="code PLANTED",
    ),
)
