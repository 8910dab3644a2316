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

    `about` is what is named where that is not an order.
    """

    title: str
    order: str
    where: str
    sql: str
    about: str = ""


FACT = "UPDATE orders_outbox SET {} WHERE aggregate_id = '{{id}}' AND type = 'order.confirmed'"


def of(context: str, *rows: tuple[str, str, str]) -> tuple[Corruption, ...]:
    return tuple(Corruption(title, order, context, sql) for title, order, sql in rows)
