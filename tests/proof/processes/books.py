"""What is stored: the shop's tables and the provider's ledger, read past everything that is under test."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from payments.events import PaymentBecameUnknown
from shop.contexts import CONTEXTS
from shop.events import subscribers
from shop.topology import HEARING
from tests.proof.processes.shop import ChaosShop

SETTLED: Final = ("CONFIRMED", "SHIPPED", "DELIVERED", "CANCELED", "REFUNDED")

# Facts that a subscriber has not heard yet, though they are published: they are on their way in the broker.
UNHEARD: Final = (
    "SELECT fact.type, heard.name, fact.payload"
    " FROM unnest(%(types)s::text[], %(names)s::text[]) AS heard (type, name) JOIN ("
    + " UNION ALL ".join(
        f"SELECT event_id, type, payload::text, occurred_at FROM {context}.{context}_outbox WHERE published_at IS NOT NULL"
        for context in CONTEXTS
    )
    + ") AS fact ON fact.type = heard.type WHERE fact.occurred_at <= %(t)s AND (heard.name, fact.event_id) NOT IN ("
    + " UNION ALL ".join(f"SELECT subscriber, event_id FROM {context}.{context}_inbox" for context in HEARING)
    + ")"
)

# What was told so shortly before a moment may have been committed after it: it says when its transaction began.
COMMITTED_WITHIN: Final = timedelta(seconds=2)
# For so long a canceled shipment's booking may still be looked for, which begins two minutes after its end.
LOOKED_FOR: Final = timedelta(minutes=5)
ORDERS: Final = (
    "SELECT o.id::text, o.customer_id::text, o.idempotency_key, o.status, o.total_minor, coalesce(r.status, ''),"
    " coalesce(p.status, ''), coalesce(p.intent_id, ''),"
    " (SELECT count(*) FROM shipping.shipping_shipment s WHERE s.order_id = o.id AND s.status <> 'CANCELED'),"
    " (SELECT count(*) FROM shipping.shipping_shipment s JOIN shipping.shipping_sandboxbooking b"
    "   ON b.reference = s.id AND b.voided_at IS NULL WHERE s.order_id = o.id"
    "   AND NOT (s.status = 'CANCELED' AND s.due_at IS NOT NULL AND s.canceled_at > %(looked_for)s)),"
    " array(SELECT e.kind FROM notifications.notifications_email e WHERE e.order_id = o.id ORDER BY e.kind),"
    " EXISTS (SELECT 1 FROM orders.orders_outbox f WHERE f.aggregate_id = o.id AND f.occurred_at > %(rested)s)"
    " FROM orders.orders_order o LEFT JOIN inventory.inventory_reservation r ON r.order_id = o.id"
    " LEFT JOIN payments.payments_payment p ON p.order_id = o.id"
)


@dataclass(frozen=True)
class OrderRow:
    """An order with its reservation's and payment's side of it."""

    order_id: str
    customer_id: str
    key: str
    status: str
    total: int
    lines: tuple[tuple[str, int], ...] = ()
    reservation: str = ""
    payment: str = ""
    intent_id: str = ""
    shipments: int = 0
    # What the carrier has booked for it and not taken back, but for what is still being looked for there.
    bookings: int = 0
    # The kinds of the emails that were queued for it.
    mails: tuple[str, ...] = ()
    # Something has just happened to it, and what follows from that may be on its way.
    is_moving: bool = False


@dataclass(frozen=True)
class Charge:
    """A payment intent in the provider's ledger."""

    intent_id: str
    order_id: str
    status: str
    amount: int
    authorized: int = 0
    captured: int = 0
    refunded: int = 0
    released: int = 0
    captures: int = 0

    @property
    def held(self) -> int:
        return self.authorized - self.captured - self.released


@dataclass(frozen=True)
class StockRow:
    """A product on the shelf."""

    sku: str
    available: int
    reserved: int
    sold: int
    received: int
    written_off: int = 0


@dataclass
class Books:
    """Everything that the checker compares."""

    orders: list[OrderRow] = field(default_factory=list)
    charges: list[Charge] = field(default_factory=list)
    stock: list[StockRow] = field(default_factory=list)
    # Event id -> type, of every outbox, but for those so young that they may be on their way; these are `told` only.
    events: dict[str, str] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    # (subscriber, event id) -> status, of every inbox.
    deliveries: dict[tuple[str, str], str] = field(default_factory=dict)
    # Event id -> who hears it, of those in `events`.
    hearers: dict[str, tuple[str, ...]] = field(default_factory=dict)


def read_books(shop: ChaosShop, *, rested_at: datetime) -> Books:
    """Read everything as it stands at one moment; parcels travel on, but of money nothing has moved since `rested_at`."""
    with shop.snapshot() as rows:
        lines: dict[str, list[tuple[str, int]]] = {}
        for order_id, sku, quantity in rows("SELECT order_id::text, sku, quantity FROM orders.orders_orderline"):
            lines.setdefault(order_id, []).append((sku, quantity))
        books = Books(charges=read_charges(shop))
        moments = {"rested": rested_at - COMMITTED_WITHIN, "looked_for": rested_at - LOOKED_FOR}
        made: Callable[..., OrderRow] = OrderRow
        for *row, mails, is_moving in rows(ORDERS, moments):
            bought = tuple(lines.get(row[0], ()))
            books.orders.append(made(*row[:5], bought, *row[5:], mails=tuple(mails), is_moving=is_moving))
        stock = rows("SELECT sku, available, reserved, sold, received, written_off FROM inventory.inventory_stock")
        books.stock = [StockRow(*row) for row in stock]
        for context in CONTEXTS:
            outbox = f"{context}.{context}_outbox"
            for event, kind, data, at in rows(f"SELECT event_id::text, type, payload::text, occurred_at FROM {outbox}"):
                books.told.add(event)
                if at <= rested_at:
                    books.events[event] = kind
                    books.hearers[event] = _hearers(kind, data)
        for context in HEARING:
            heard = rows(f"SELECT subscriber, event_id::text, status FROM {context}.{context}_inbox")
            books.deliveries.update({(subscriber, event): status for subscriber, event, status in heard})
    return books


def _hearers(kind: str, data: str) -> tuple[str, ...]:
    """Return who hears an event of this type with this payload, as the snapshot's connection gives it: as text."""
    return tuple(each.name for each in subscribers.hearers_of(kind, json.loads(data)))


def read_charges(shop: ChaosShop) -> list[Charge]:
    """Read the provider's ledger."""
    return [
        Charge(
            intent_id=line["id"],
            order_id=line["order_id"] or "",
            **{
                name: line[name]
                for name in ("status", "amount", "authorized", "captured", "refunded", "released", "captures")
            },
        )
        for line in shop.sandbox("GET", "ledger")["payment_intents"]
    ]


def _unheard(shop: ChaosShop, before: datetime) -> list[tuple[str, int]]:
    """Count what was published by then and is still on its way, for each fact and each of those who want it."""
    heard = [(kind, each.name) for kind, heard_by in subscribers.all_subscriptions().items() for each in heard_by]
    rows = shop.rows(UNHEARD, {"t": before, "types": [kind for kind, _ in heard], "names": [name for _, name in heard]})
    counts = Counter(f"deliveries of {kind} to {name}" for kind, name, data in rows if name in _hearers(kind, data))
    return list(counts.items())


def unfinished(shop: ChaosShop, *, before: datetime) -> Iterator[str]:
    """Yield in words what of all that had begun by then is not done yet; nothing where all is well.

    An order that waits for its customer is done as far as the shop goes, if its bank still asks.
    """
    counts = shop.rows(
        "SELECT 'orders ' || o.status, count(*) FROM orders.orders_order o"
        " LEFT JOIN payments.payments_payment p ON p.order_id = o.id"
        " WHERE o.placed_at <= %(t)s AND o.status <> ALL(%(settled)s)"
        "  AND NOT (o.status = 'AWAITING_PAYMENT' AND coalesce(p.status, '') = 'REQUIRES_ACTION') GROUP BY 1"
        " UNION ALL SELECT 'payments ' || status, count(*) FROM payments.payments_payment"
        "  WHERE created_at <= %(t)s AND status IN ('UNKNOWN', 'SUBMITTED') GROUP BY 1"
        " UNION ALL SELECT 'refunds ' || status, count(*) FROM payments.payments_refund"
        "  WHERE created_at <= %(t)s AND status = 'REQUESTED' GROUP BY 1"
        " UNION ALL SELECT 'surplus bookings to take back', count(*) FROM shipping.shipping_surplusbooking"
        "  WHERE recorded_at <= %(t)s AND due_at IS NOT NULL HAVING count(*) > 0"
        + "".join(
            f" UNION ALL SELECT '{context} facts unpublished', count(*) FROM {context}.{context}_outbox"
            "  WHERE published_at IS NULL AND occurred_at <= %(t)s HAVING count(*) > 0"
            for context in CONTEXTS
        )
        + "".join(
            f" UNION ALL SELECT '{context} deliveries ' || status, count(*) FROM {context}.{context}_inbox"
            "  WHERE status IN ('RETRYING', 'DEAD') AND received_at <= %(t)s GROUP BY 1"
            for context in HEARING
        ),
        {"t": before, "settled": list(SETTLED)},
    )
    counts += _unheard(shop, before)
    if counts:
        yield from (f"{count} {what}" for what, count in counts)
        return
    waiting = {
        intent
        for (intent,) in shop.rows(
            "SELECT p.intent_id FROM orders.orders_order o JOIN payments.payments_payment p ON p.order_id = o.id"
            " WHERE o.placed_at <= %(t)s AND o.status = 'AWAITING_PAYMENT'",
            {"t": before},
        )
    }
    if waiting:
        approved = [
            charge
            for charge in read_charges(shop)
            if charge.intent_id in waiting and charge.status != "requires_action"
        ]
        if approved:
            yield f"{len(approved)} orders wait for customers who have answered"


def unknown_payments(shop: ChaosShop) -> int:
    """Return how many payments have been UNKNOWN at some time."""
    told = "SELECT count(DISTINCT aggregate_id) FROM payments.payments_outbox WHERE type = %(type)s"
    return int(shop.rows(told, {"type": PaymentBecameUnknown.type})[0][0])


def count_of_orders(shop: ChaosShop) -> int:
    """Return how many orders stand in the database."""
    return int(shop.rows("SELECT count(*) FROM orders.orders_order")[0][0])


def shipment_of(shop: ChaosShop, order_id: str) -> bool:
    """Say whether shipping has heard that the order is confirmed."""
    found: list[tuple[Any, ...]] = shop.rows(
        "SELECT 1 FROM orders.orders_order o JOIN shipping.shipping_shipment s ON s.order_id = o.id"
        " WHERE o.id::text = %(id)s AND o.status IN ('CONFIRMED', 'SHIPPED', 'DELIVERED')",
        {"id": order_id},
    )
    return bool(found)
