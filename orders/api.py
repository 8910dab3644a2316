"""The door of orders: what other contexts may call. Arguments by keyword; answers are plain data, never models."""

from orders.queries import Address, OrderLineState, OrderNotFound, OrderState, get_order
from orders.rules import CancelReason

__all__ = ["Address", "CancelReason", "OrderLineState", "OrderNotFound", "OrderState", "get_order"]
