"""The door of orders: what other contexts may call. Arguments by keyword; answers are plain data, never models."""

from orders.models import OrderStatus
from orders.pricing.priced import Adjustment
from orders.queries import (
    Address,
    MoneyReturned,
    OrderLineState,
    OrderNotFound,
    OrderStanding,
    OrderState,
    find_order_fact,
    find_orders,
    find_untaxed_classes,
    get_by_number,
    get_money_returned,
    get_order,
    page_orders,
    was_paid,
)
from orders.rules import CancelReason
from orders.services.order_links import link_to

__all__ = [
    "Address",
    "Adjustment",
    "CancelReason",
    "MoneyReturned",
    "OrderLineState",
    "OrderNotFound",
    "OrderStanding",
    "OrderState",
    "OrderStatus",
    "find_order_fact",
    "find_orders",
    "find_untaxed_classes",
    "get_by_number",
    "get_money_returned",
    "get_order",
    "link_to",
    "page_orders",
    "was_paid",
]
