"""What is planted: by SQL alone, one at a time, in the rows of one order, and which check names it.

`{id}`, `{sku}`, `{shipment}`, `{intent}` and `{customer}` are the order's.
"""

from __future__ import annotations

from typing import NamedTuple

CONFIRMED, SHIPPED, DELIVERED = "confirmed", "shipped", "delivered"
CANCELED, REFUNDED, IN_PART = "canceled", "refunded", "refunded in part"
PLACED, AWAITING, HELD = "placed", "waits for its customer", "held without a payment method"


class Corruption(NamedTuple):
    """In the rows of an order, of the context `where`, the statements `sql`; `title` is the check that names the order.

    `about` is what is named where it is no order's.
    """

    title: str
    order: str
    where: str
    sql: str
    about: str = ""


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
RESERVATION = "UPDATE inventory_reservation SET {} WHERE order_id = '{{id}}'"
STOCK = "UPDATE inventory_stock SET {} WHERE sku = '{{sku}}'"
PAYMENT = "UPDATE payments_payment SET {} WHERE order_id = '{{id}}'"
REFUND = "UPDATE payments_refund SET {} WHERE payment_id = '{{id}}'"
SHIPMENT = "UPDATE shipping_shipment SET {} WHERE order_id = '{{id}}'"
EMAIL = "UPDATE notifications_email SET {} WHERE order_id = '{{id}}' AND kind = 'order_confirmed'"
NO_EMAIL = "DELETE FROM notifications_email WHERE order_id = '{{id}}' AND kind = '{}'"
FACT = "UPDATE orders_outbox SET {} WHERE aggregate_id = '{{id}}' AND type = 'order.confirmed'"
OF_THE_FACT = "subscriber = 'notifications.tell_customer_order_confirmed' AND event_id = '{confirmed_fact}'"
DELIVERY = f"UPDATE notifications_inbox SET {{}} WHERE {OF_THE_FACT}".replace("{confirmed_fact}", "{{confirmed_fact}}")


def _of(context: str, *rows: tuple[str, str, str]) -> tuple[Corruption, ...]:
    return tuple(Corruption(title, order, context, sql) for title, order, sql in rows)


INVENTORY = _of(
    "inventory",
    (
        "stock follows its law",
        DELIVERED,
        "ALTER TABLE inventory_stock DROP CONSTRAINT inventory_stock_law; " + STOCK.format("available = available + 1"),
    ),
    ("stock equals its ledger", CONFIRMED, STOCK.format("available = available - 1, written_off = written_off + 1")),
    ("stock equals its reservations", CONFIRMED, STOCK.format("sold = sold - 1, available = available + 1")),
    ("every product has its stock", DELIVERED, "DELETE FROM inventory_stock WHERE sku = '{sku}'"),
    ("the version of stock counts its movements", SHIPPED, STOCK.format("version = 99")),
    (
        "each movement moves what its kind says",
        CONFIRMED,
        "UPDATE inventory_stockmovement SET kind = 'RETURNED' WHERE order_id = '{id}' AND kind = 'COMMITTED'",
    ),
    (
        "each movement moves what its kind says",
        CONFIRMED,
        "UPDATE inventory_stockmovement SET at = now() + interval '1 day' WHERE order_id = '{id}'",
    ),
    (
        "each reservation has moved its lines, no more and no less",
        CONFIRMED,
        "DELETE FROM inventory_stockmovement WHERE order_id = '{id}' AND kind = 'COMMITTED'",
    ),
    (
        "each reservation has moved its lines, no more and no less",
        CANCELED,
        (
            "INSERT INTO inventory_stockmovement (sku, kind, order_id, reference, available_delta, reserved_delta, sold_delta,"
            " received_delta, written_off_delta) VALUES ('{sku}', 'RESERVED', '{id}', '', -1, 1, 0, 0, 0)"
            " ON CONFLICT (order_id, sku, kind) WHERE order_id IS NOT NULL DO UPDATE SET available_delta = -9, reserved_delta = 9"
        ),
    ),
    (
        "each reservation has moved its lines, no more and no less",
        SHIPPED,
        "UPDATE inventory_reservationline SET quantity = 5 WHERE reservation_id = '{id}'",
    ),
    (
        "each reservation that kept stock has lines",
        DELIVERED,
        "DELETE FROM inventory_reservationline WHERE reservation_id = '{id}'",
    ),
    (
        "confirmed means captured and committed, and back",
        CONFIRMED,
        (
            "DELETE FROM inventory_reservationline WHERE reservation_id = '{id}';"
            " DELETE FROM inventory_reservation WHERE order_id = '{id}'"
        ),
    ),
    ("money is captured only for committed stock", CONFIRMED, RESERVATION.format("status = 'RELEASED'")),
    ("stock is free only where no payment can come", AWAITING, RESERVATION.format("status = 'RELEASED'")),
    ("no order that has ended keeps stock", CANCELED, RESERVATION.format("status = 'COMMITTED'")),
    ("no order that has ended keeps stock", REFUNDED, RESERVATION.format("status = 'PAYING'")),
    ("no hold lasts longer than any is given", HELD, RESERVATION.format("expires_at = now() + interval '10 years'")),
    (
        "no hold lasts longer than any is given",
        HELD,
        RESERVATION.format("expires_at = now() + interval '3 days', extended_at = now()"),
    ),
    ("no hold outlives its time", HELD, RESERVATION.format("expires_at = now() - interval '1 hour'")),
    ("each move of each reservation has its event", SHIPPED, RESERVATION.format("version = version + 1")),
    ("each reservation moved along its table only", AWAITING, RESERVATION.format("status = 'HELD'")),
)

ORDERS = _of(
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

PAYMENTS = _of(
    "payments",
    (
        "confirmed means captured and committed, and back",
        CONFIRMED,
        "DELETE FROM payments_payment WHERE order_id = '{id}'",
    ),
    (
        "one capture of the order's total, refunds within it",
        CONFIRMED,
        PAYMENT.format("amount_minor = amount_minor + 100, captured_minor = captured_minor + 100"),
    ),
    (
        "canceled means that no money was kept",
        CANCELED,
        PAYMENT.format("status = 'CAPTURED', captured_minor = amount_minor"),
    ),
    ("a payment's sums are those of its refunds", IN_PART, PAYMENT.format("refunded_minor = refunded_minor + 1")),
    ("a payment's sums are those of its refunds", IN_PART, REFUND.format("amount_minor = amount_minor + 1")),
    ("a payment's sums are those of its refunds", IN_PART, "DELETE FROM payments_refund WHERE payment_id = '{id}'"),
    ("a payment's sums are those of its refunds", DELIVERED, PAYMENT.format("owed_minor = 10")),
    (
        "one capture, of the order's total; refunds within it",
        IN_PART,
        PAYMENT.format("covered_minor = 1"),
    ),
    ("one capture, of the order's total; refunds within it", IN_PART, PAYMENT.format("status = 'CAPTURED'")),
    ("one capture, of the order's total; refunds within it", CONFIRMED, PAYMENT.format("captured_minor = 0")),
    ("a payment holds what its status needs", CONFIRMED, PAYMENT.format("intent_id = NULL")),
    ("a payment holds what its status needs", CANCELED, PAYMENT.format("void_reason = ''")),
    (
        "a payment holds what its status needs",
        CONFIRMED,
        PAYMENT.format("""refused = '[["a", "lost"], ["b", "lost"]]'"""),
    ),
    ("a payment holds what its status needs", AWAITING, PAYMENT.format("changed_at = now() + interval '1 year'")),
    ("a refund holds what its status needs", IN_PART, REFUND.format("provider_refund_id = NULL")),
    ("each payment moved along its table only", SHIPPED, PAYMENT.format("status = 'PARTIALLY_REFUNDED'")),
    ("each move of each payment has its event", SHIPPED, PAYMENT.format("version = version + 1")),
    ("each move of each refund has its event", IN_PART, REFUND.format("version = version + 1")),
    ("each refund moved along its table only", REFUNDED, REFUND.format("status = 'PENDING'")),
    (
        "no payment and no refund is left without an outcome",
        AWAITING,
        PAYMENT.format("status = 'UNKNOWN', changed_at = now() - interval '2 hours'"),
    ),
    (
        "no payment and no refund is left without an outcome",
        IN_PART,
        REFUND.format("status = 'REQUESTED', due_at = now()"),
    ),
    ("whatever has no outcome is asked about", AWAITING, PAYMENT.format("status = 'UNKNOWN', due_at = NULL")),
    ("whatever has no outcome is asked about", AWAITING, PAYMENT.format("due_at = now() + interval '1 year'")),
    ("whatever has no outcome is asked about", IN_PART, REFUND.format("status = 'PENDING', due_at = NULL")),
    (
        "whatever has no outcome is asked about",
        CONFIRMED,
        (
            "INSERT INTO payments_strayintent (intent_id, order_id, reason, amount_minor, currency, outcome, attempts, last_error)"
            " VALUES ('pi_stray', '{id}', 'SECOND_INTENT', 1, 'EUR', '', 0, '')"
        ),
    ),
    (
        "every webhook is applied",
        CONFIRMED,
        (
            "INSERT INTO payments_webhookevent (event_id, type, intent_id, outcome, attempts, last_error)"
            " VALUES ('evt_lost', 'payment_intent.succeeded', '{intent}', '', 0, '')"
        ),
    ),
)

DISPUTE = (
    "INSERT INTO payments_dispute (dispute_id, provider_dispute_id, payment_id, status, reason, amount_minor, currency,"
    " withdrawn_minor, fee_minor, account_currency, opened_at, answers, version, attempts, last_error, due_at)"
    " VALUES ('{{id}}', 'dp_planted', '{{id}}', '{}', '', 100, 'EUR', 0, 0, 'EUR', now(), 0, 1, 0, '', now())"
)
DISPUTES = _of(
    "payments",
    ("a payment says what its disputes stop and took", DELIVERED, PAYMENT.format("lost_minor = 1")),
    ("each move of each dispute has its event", CONFIRMED, DISPUTE.format("NEEDS_RESPONSE")),
    (
        "each dispute moved along its table only",
        CONFIRMED,
        "ALTER TABLE payments_dispute DROP CONSTRAINT payments_dispute_status_known; " + DISPUTE.format("FORGOTTEN"),
    ),
    (
        "no payment and no refund is left without an outcome",
        CONFIRMED,
        DISPUTE.format("NEEDS_RESPONSE") + "; UPDATE payments_dispute SET due_at = NULL",
    ),
)

SHIPPING = _of(
    "shipping",
    (
        "each confirmed order has its shipment",
        CONFIRMED,
        "DELETE FROM shipping_shipment WHERE order_id = '{id}'",
    ),
    (
        "only confirmed orders have a parcel",
        AWAITING,
        (
            "INSERT INTO shipping_shipment (id, order_id, status, version, due_at, attempts, last_error, refusal_code, cancel_reason,"
            " carrier, carrier_reference, tracking_number, label_url)"
            " VALUES ('{id}', '{id}', 'PENDING', 1, now(), 0, '', '', '', '', '', '', '')"
        ),
    ),
    ("only confirmed orders have a parcel", REFUNDED, SHIPMENT.format("status = 'BOOKED', carrier = 'sandbox'")),
    ("no shipment's work is never due", CONFIRMED, SHIPMENT.format("due_at = NULL")),
    ("no shipment's work is never due", CONFIRMED, SHIPMENT.format("due_at = now() + interval '1 year'")),
    ("no shipment's work is overdue", CONFIRMED, SHIPMENT.format("due_at = now() - interval '1 hour'")),
    (
        "no shipment's work is never due",
        CONFIRMED,
        (
            "WITH held AS (INSERT INTO shipping_hold (dispute_id, order_id, revision, for_staff, released_by_staff)"
            " VALUES (gen_random_uuid(), '{id}', 1, false, false))"
            " UPDATE shipping_shipment SET due_at = now() + interval '2 hours' WHERE order_id = '{id}'"
        ),
    ),
    ("a shipment's moments are those of its status", CONFIRMED, SHIPMENT.format("booked_at = NULL")),
    (
        "a shipment's moments are those of its status",
        DELIVERED,
        SHIPMENT.format("delivered_at = now() + interval '1 day'"),
    ),
    ("each move of each shipment has its event", SHIPPED, SHIPMENT.format("version = version + 1")),
    ("each shipment moved along its table only", CONFIRMED, SHIPMENT.format("status = 'PENDING'")),
    ("what was sent has left, as it was told", SHIPPED, SHIPMENT.format("tracking_number = 'ANOTHER'")),
    ("what was sent has left, as it was told", DELIVERED, "DELETE FROM shipping_shipment WHERE order_id = '{id}'"),
    (
        "an order knows that its parcel left and arrived",
        SHIPPED,
        SHIPMENT.format("status = 'DELIVERED', delivered_at = now()"),
    ),
    (
        "no surplus booking is left at the carrier",
        CONFIRMED,
        (
            "INSERT INTO shipping_surplusbooking (shipment_id, order_id, carrier, carrier_reference, attempts, last_error)"
            " VALUES ('{shipment}', '{id}', 'sandbox', 'SBX-9', 0, 'refused')"
        ),
    ),
    (
        "a surplus booking is of a shipment",
        CONFIRMED,
        (
            "INSERT INTO shipping_surplusbooking (shipment_id, order_id, carrier, carrier_reference, attempts, last_error,"
            " taken_back_at) VALUES (gen_random_uuid(), '{id}', 'sandbox', 'SBX-9', 0, '', now())"
        ),
    ),
)

NOTIFICATIONS = _of(
    "notifications",
    *(
        ("each customer was told what happened", order, NO_EMAIL.format(kind))
        for order, kind in (
            (CONFIRMED, "order_confirmed"),
            (SHIPPED, "order_shipped"),
            (CANCELED, "order_canceled"),
            (REFUNDED, "order_refunded"),
            (IN_PART, "refund_issued"),
        )
    ),
    (
        "no customer was told what did not happen",
        CONFIRMED,
        "UPDATE notifications_email SET kind = 'order_canceled', reason = 'staff_request' WHERE order_id = '{id}'",
    ),
    (
        "no customer was told what did not happen",
        IN_PART,
        "UPDATE notifications_email SET amount_minor = amount_minor + 1 WHERE order_id = '{id}' AND kind = 'refund_issued'",
    ),
    ("an email's moments are those of its status", CONFIRMED, EMAIL.format("sent_at = NULL")),
    ("an email's moments are those of its status", CONFIRMED, EMAIL.format("queued_at = now() + interval '1 day'")),
    (
        "every email is sent one day or given up",
        CONFIRMED,
        EMAIL.format("status = 'PENDING', sent_at = NULL, due_at = NULL"),
    ),
    (
        "every email is sent one day or given up",
        CONFIRMED,
        EMAIL.format("status = 'PENDING', sent_at = NULL, due_at = now() + interval '1 year'"),
    ),
    (
        "no email is overdue",
        CONFIRMED,
        EMAIL.format("status = 'PENDING', sent_at = NULL, due_at = now() - interval '1 hour'"),
    ),
    ("only emails about unpaid orders are withheld", CONFIRMED, EMAIL.format("status = 'WITHHELD', sent_at = NULL")),
    (
        "only emails about unpaid orders are withheld",
        CANCELED,
        "UPDATE notifications_email SET status = 'WITHHELD', sent_at = NULL WHERE order_id = '{id}'",
    ),
    ("each email moved along its table only", CONFIRMED, EMAIL.format("status = 'FAILED', failed_at = now()")),
    ("each move of each email has its event", SHIPPED, EMAIL.format("version = version + 1")),
)

PAST = "id, event_id, type, schema_version, aggregate_id, aggregate_version, payload, traceparent, actor, request_id, occurred_at"
BUS = (
    *_of(
        "orders",
        (
            "no fact left the outbox unpublished",
            CONFIRMED,
            (
                f"INSERT INTO orders_history ({PAST}) SELECT {PAST} FROM orders_outbox WHERE aggregate_id = '{{id}}'"
                " AND type = 'order.confirmed';"
                " DELETE FROM orders_outbox WHERE aggregate_id = '{id}' AND type = 'order.confirmed'"
            ),
        ),
        (
            "each move of each order has its event",
            CONFIRMED,
            "DELETE FROM orders_outbox WHERE aggregate_id = '{id}' AND type = 'order.confirming'",
        ),
        (
            "every fact is published or waits for a human",
            CONFIRMED,
            FACT.format("published_at = NULL, occurred_at = now() - interval '1 hour'"),
        ),
        (
            "no fact is claimed for longer than a claim lasts",
            CONFIRMED,
            FACT.format("published_at = NULL, occurred_at = now(), claimed_until = now() + interval '1 day'"),
        ),
        (
            "no fact is dated in the future, or published before it was told",
            CONFIRMED,
            FACT.format("published_at = now() + interval '1 day'"),
        ),
        (
            "no fact is dated in the future, or published before it was told",
            CONFIRMED,
            FACT.format("occurred_at = now()"),
        ),
        (
            "every fact that was heard was told",
            IN_PART,
            "DELETE FROM orders_outbox WHERE aggregate_id = '{id}' AND type = 'order.refund_issued'",
        ),
    ),
    *_of(
        "notifications",
        (
            "every published fact was heard by its subscribers",
            CONFIRMED,
            f"DELETE FROM notifications_inbox WHERE {OF_THE_FACT}",
        ),
        (
            "every event heard is applied or waits for a human",
            CONFIRMED,
            DELIVERY.format("status = 'RETRYING', envelope = '[]', due_at = now() - interval '1 hour'"),
        ),
        (
            "every delivery that failed is tried again, and with what it needs",
            CONFIRMED,
            DELIVERY.format("status = 'RETRYING', envelope = '[]', due_at = NULL"),
        ),
        (
            "every delivery that failed is tried again, and with what it needs",
            CONFIRMED,
            DELIVERY.format("status = 'RETRYING', envelope = '[]', due_at = now() + interval '1 day'"),
        ),
        (
            "every delivery that failed is tried again, and with what it needs",
            CONFIRMED,
            DELIVERY.format("status = 'DEAD', envelope = NULL"),
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

KERNEL = (
    Corruption(
        "each kept answer names its key's order",
        DELIVERED,
        "shop",
        "UPDATE shop_idempotencykey SET key = 'another' WHERE response_body LIKE '%{id}%' AND response_status = 201",
    ),
    Corruption(
        "no kept answer is dated in the future",
        DELIVERED,
        "shop",
        "UPDATE shop_idempotencykey SET created_at = now() + interval '1 day' WHERE response_body LIKE '%{id}%'",
        about="kept answer of customer",
    ),
    Corruption(
        "no subscription begins in the future, and no look lies there",
        CONFIRMED,
        "shop",
        "UPDATE shop_subscription SET since = now() + interval '1 day' WHERE event_type = 'shipment.delivered'",
        about="subscription of orders.mark_order_delivered",
    ),
    Corruption(
        "no subscription begins in the future, and no look lies there",
        CONFIRMED,
        "shop",
        "INSERT INTO shop_hearinglook (context, published_at, last_id) VALUES ('orders', now() + interval '1 day', 0)",
        about="look at the facts of orders",
    ),
    Corruption(
        "no request of a link is overdue",
        CONFIRMED,
        "notifications",
        "INSERT INTO notifications_linkrequest (id, number, recipient_key, due_at, attempts, last_error)"
        " VALUES ('{id}', '7K3M9Q2XAB', 1, now() - interval '1 hour', 0, '')",
        about="request of a link",
    ),
    Corruption(
        "every guest is taken along",
        CONFIRMED,
        "shop",
        "INSERT INTO shop_guesttaking (guest_id, customer_id, due_at, attempts, last_error)"
        " VALUES ('{id}', '{id}', now() - interval '1 hour', 0, '')",
        about="taking of guest",
    ),
    Corruption(
        "every erasure goes on",
        CONFIRMED,
        "shop",
        "INSERT INTO shop_erasure (id, user_id, addresses, account_emails, asked_by, waiting_for, sessions_read_to, due_at,"
        " attempts, last_error) VALUES ('{id}', '{id}', '[]', '[]', 'staff', '[]', '', now() - interval '40 days', 0, '')",
        about="erasure",
    ),
    Corruption(
        "no sweep is taken for longer than a run has its place",
        CONFIRMED,
        "shop",
        "INSERT INTO shop_runningsweep (sweep, place, until, asked_again)"
        " VALUES ('orders.resume_sagas', 9, now() + interval '1 hour', false)",
        about="sweep orders.resume_sagas",
    ),
)

CORRUPTIONS = (*INVENTORY, *ORDERS, *PAYMENTS, *DISPUTES, *SHIPPING, *NOTIFICATIONS, *BUS, *CODES, *KERNEL)
