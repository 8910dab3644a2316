"""What is planted in shipping."""

from __future__ import annotations

from tests.integration.audit.corruptions.corruption import AWAITING, CONFIRMED, DELIVERED, REFUNDED, SHIPPED, of

SHIPMENT = "UPDATE shipping_shipment SET {} WHERE order_id = '{{id}}'"


SHIPPING = of(
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
