"""What is planted in inventory."""

from __future__ import annotations

from tests.integration.audit.corruptions.corruption import (
    AWAITING,
    CANCELED,
    CONFIRMED,
    DELIVERED,
    HELD,
    REFUNDED,
    SHIPPED,
    of,
)

RESERVATION = "UPDATE inventory_reservation SET {} WHERE order_id = '{{id}}'"
STOCK = "UPDATE inventory_stock SET {} WHERE sku = '{{sku}}'"


INVENTORY = of(
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
