"""What `manage.py audit` asks of shipping: its own rows, and that each confirmed order has its parcel."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import NamedTuple
from uuid import UUID

from orders import api as orders
from shipping.gateways import CARRIERS, ManualCarrier
from shipping.models import HAS_LEFT, Shipment, ShipmentStatus
from shipping.queries import ShipmentStanding, page_shipments
from shop.audit import SKEW, Law, by_order, in_sql, register_law
from shop.audit.bus import register_bus_checks
from shop.audit.statuses import register_history_checks
from shop.audit.told import should_show

OVERDUE = timedelta(minutes=15)
VALUES = {
    "overdue": OVERDUE,
    # Longer than any lease and than any wait after a failure; a carrier that says when to ask again may say days.
    "longest": timedelta(hours=1),
    "carriers_word": timedelta(days=60),
    "asked": [name for name, carrier in CARRIERS.items() if carrier is not ManualCarrier],
}
_SHIPMENT = "'shipment ' || s.id, 'of order ' || s.order_id || ': ' ||"
_SURPLUS = "'surplus booking ' || b.id, 'of order ' || b.order_id || ': ' ||"

LAWS = (
    Law(
        "I9",
        "a shipment's moments are those of its status",
        f"SELECT {_SHIPMENT} format('it is %%s: created %%s, booked %%s, dispatched %%s, delivered %%s, canceled %%s', s.status,"
        "  s.created_at, s.booked_at, s.dispatched_at, s.delivered_at, s.canceled_at) FROM shipping_shipment AS s"
        " WHERE s.order_id >= %(first)s AND ("
        "  (s.booked_at IS NULL) <> (s.status = 'PENDING') AND s.status <> 'CANCELED'"
        f"  OR (s.dispatched_at IS NOT NULL) <> (s.status IN {in_sql(HAS_LEFT)})"
        "  OR (s.delivered_at IS NULL) <> (s.status <> 'DELIVERED') OR (s.canceled_at IS NULL) <> (s.status <> 'CANCELED')"
        "  OR s.dispatched_at < s.booked_at OR s.delivered_at < s.dispatched_at"
        "  OR greatest(s.created_at, s.booked_at, s.dispatched_at, s.delivered_at, s.canceled_at, s.carrier_asked_at)"
        f"   > now() + {SKEW}) ORDER BY s.id",
    ),
    Law(
        "I10",
        "no shipment's work is overdue",
        f"SELECT {_SHIPMENT} format('%%s, overdue since %%s: no worker is processing it', s.status, s.due_at)"
        " FROM shipping_shipment AS s WHERE s.due_at < now() - %(overdue)s"
        # What a dispute holds is due and rightly not worked, but only once its carrier has nothing of it.
        " AND NOT (s.status = 'PENDING' AND s.carrier_asked_at IS NULL AND EXISTS (SELECT 1 FROM shipping_hold AS h WHERE h.order_id = s.order_id"
        "  AND h.released_at IS NULL)) ORDER BY s.due_at",
    ),
    Law(
        "I10",
        "no shipment's work is never due",
        f"SELECT {_SHIPMENT} format('%%s, due at %%s', s.status, s.due_at) FROM shipping_shipment AS s"
        " WHERE s.order_id >= %(first)s AND CASE s.status"
        "  WHEN 'PENDING' THEN s.due_at IS NULL AND s.refusal_code = '' OR s.due_at > now() + %(longest)s"
        "  WHEN 'DELIVERED' THEN s.due_at IS NOT NULL"
        "  WHEN 'CANCELED' THEN s.due_at > now() + %(longest)s"
        "  ELSE s.due_at > now() + %(carriers_word)s OR s.due_at IS NULL AND s.carrier = ANY(%(asked)s)"
        # What was booked before a dispute holds it is due to be taken back.
        "   OR s.status = 'BOOKED' AND (s.due_at IS NULL OR s.due_at > now() + %(longest)s) AND EXISTS (SELECT 1"
        "    FROM shipping_hold AS h WHERE h.order_id = s.order_id AND h.released_at IS NULL) END ORDER BY s.id",
    ),
    Law(
        "I10",
        "no surplus booking is left at the carrier",
        f"SELECT {_SURPLUS} CASE WHEN b.due_at IS NULL THEN 'given up, ' || b.last_error"
        "  ELSE format('due at %%s, and nobody takes it back', b.due_at) END FROM shipping_surplusbooking AS b"
        " WHERE b.taken_back_at IS NULL AND (b.due_at IS NULL OR b.due_at NOT BETWEEN now() - %(overdue)s"
        "  AND now() + %(longest)s) ORDER BY b.recorded_at",
    ),
    Law(
        "I10",
        "a surplus booking is of a shipment",
        f"SELECT {_SURPLUS} format('it names shipment %%s, recorded %%s, taken back %%s', b.shipment_id, b.recorded_at,"
        "  b.taken_back_at) FROM shipping_surplusbooking AS b WHERE NOT EXISTS (SELECT 1 FROM shipping_shipment AS s"
        "   WHERE s.id = b.shipment_id AND s.order_id = b.order_id)"
        f" OR greatest(b.recorded_at, b.taken_back_at) > now() + {SKEW} ORDER BY b.id",
    ),
)


class _Row(NamedTuple):
    """An order and its shipment."""

    order_id: UUID
    order: orders.OrderStanding | None
    shipment: ShipmentStanding | None


READING = by_order("shipping", _Row, partial(orders.page_orders, lines=False, refunds=False), page_shipments)


def _judge(row: _Row) -> str | None:
    if row.order is None or row.shipment is not None:
        return None
    # Of a refunded one a tombstone is left, so that no late fact makes a parcel.
    if not row.order.is_paid and row.order.status != orders.OrderStatus.REFUNDED:
        return None
    told = orders.find_order_fact(order_id=row.order_id, event_type="order.confirmed")
    # A parcel that was never made for an order that was refunded at once is stopped all the same.
    if row.order.status != orders.OrderStatus.REFUNDED and not should_show(
        told, subscriber="shipping.create_shipment_for_order"
    ):
        return None
    return f"it is {row.order.status} and has no shipment"


def register() -> None:
    """Have these checks run with every audit."""
    register_history_checks(Shipment, born={ShipmentStatus.PENDING, ShipmentStatus.CANCELED}, since_field="created_at")
    register_bus_checks("shipping")
    READING.register("I8", "each confirmed order has its shipment", _judge)
    for law in LAWS:
        register_law("shipping", law, **VALUES)
