"""The facts inventory publishes.

Facts about a reservation belong to the order's id, facts about stock to the product's.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from inventory.rules import Line
from shop.events.event import Event


@dataclass(frozen=True, kw_only=True)
class StockReserved(Event):
    """Stock is kept for an order: HELD until it expires, or PAYING where the order pays at once."""

    type = "stock.reserved"
    order_id: UUID
    status: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, kw_only=True)
class StockPaymentBegan(Event):
    """The order's payment begins: its stock does not expire any more."""

    type = "stock.payment_began"
    order_id: UUID


@dataclass(frozen=True, kw_only=True)
class StockCommitted(Event):
    """The order's stock counts as sold."""

    type = "stock.committed"
    order_id: UUID
    lines: tuple[Line, ...]


@dataclass(frozen=True, kw_only=True)
class StockReleased(Event):
    """The order's stock is free again; without lines nothing was ever kept, and nothing will be."""

    type = "stock.released"
    order_id: UUID
    lines: tuple[Line, ...]


@dataclass(frozen=True, kw_only=True)
class StockExpired(Event):
    """Nobody began to pay in time: the order's stock is free again."""

    type = "stock.expired"
    order_id: UUID
    lines: tuple[Line, ...]


@dataclass(frozen=True, kw_only=True)
class StockReturned(Event):
    """What was sold to the order is on the shelf again."""

    type = "stock.returned"
    order_id: UUID
    lines: tuple[Line, ...]


@dataclass(frozen=True, kw_only=True)
class StockShort(Event):
    """The order was refused for want of one SKU; nothing was kept for it."""

    type = "stock.short"
    order_id: UUID
    sku: str
    wanted: int
    available: int


@dataclass(frozen=True, kw_only=True)
class StockLow(Event):
    """What can be sold of a product came down to the threshold or below it; told once per crossing."""

    type = "stock.low"
    product_id: UUID
    sku: str
    available: int
    threshold: int


@dataclass(frozen=True, kw_only=True)
class StockReceived(Event):
    """Units of a product arrived."""

    type = "stock.received"
    product_id: UUID
    sku: str
    quantity: int


@dataclass(frozen=True, kw_only=True)
class StockWrittenOff(Event):
    """Units of a product were lost, broken or miscounted."""

    type = "stock.written_off"
    product_id: UUID
    sku: str
    quantity: int
