"""The judge: compares what clients were told, what is stored and what the provider took, and names each difference.

It knows the promises, not the code: it shares nothing with the shop's own audit (`manage.py audit`), which is run
beside it. Everything is judged at rest, once no fault is active and nothing is left to do.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from tests.proof.processes.books import SETTLED, Books, Charge, OrderRow
from tests.proof.processes.purchases import Purchase

CONFIRMED = ("CONFIRMED", "SHIPPED", "DELIVERED")
GIVEN_BACK = ("CANCELED", "REFUNDED")
UNDONE = ("REFUNDING", "REFUNDED")
PROMISED = (201, 202, 402, 409)
# What one who buys as everybody may can be told; anything else, a bare 500 included, is a fault of the shop's own.
MAY_BE_TOLD = {
    "place": {201, 202, 402, 409, 429, 503},
    "pay": {201, 202, 402, 409, 429, 503},
    "cancel": {200, 202, 409, 429, 503},
    "look": {200, 429, 503},
}
MAILS = {
    "AWAITING_PAYMENT": (),
    "CONFIRMED": ("order_confirmed",),
    "SHIPPED": ("order_confirmed", "order_shipped"),
    "DELIVERED": ("order_confirmed", "order_shipped"),
    "CANCELED": ("order_canceled",),
    "REFUNDED": ("order_confirmed", "order_refunded"),
}


def judge(purchases: Sequence[Purchase], books: Books) -> list[str]:
    """Return every broken promise in words, with the history it belongs to."""
    return [
        *_what_clients_were_told(purchases, books),
        *_orders(books),
        *_mails(books),
        *_parcels(books),
        *_money(books),
        *_stock(books),
        *_events(books),
    ]


def _what_clients_were_told(purchases: Sequence[Purchase], books: Books) -> Iterator[str]:
    orders = {order.order_id: order for order in books.orders}
    by_key: defaultdict[tuple[str, str], list[OrderRow]] = defaultdict(list)
    for order in books.orders:
        by_key[order.customer_id, order.key].append(order)
    for wish in purchases:
        for wrong in _one_client(wish, orders, by_key[wish.customer_id, wish.key]):
            yield f"{wish.history}: {wrong}"


def _one_client(wish: Purchase, orders: dict[str, OrderRow], under_key: list[OrderRow]) -> Iterator[str]:
    for answer in wish.answers:
        if answer.asked == "place" and answer.status in PROMISED and not answer.order_id:
            yield f"key {wish.key} was answered {answer.status} {answer.code} without an order"
        if answer.status is not None and answer.status not in MAY_BE_TOLD[answer.asked]:
            yield f"key {wish.key} asked to {answer.asked} and was answered {answer.status} {answer.code}".rstrip()
    if wish.gave_up and not wish.knows_its_order:
        yield f"key {wish.key} gave up without ever learning what became of its order"
    if len(wish.order_ids) > 1:
        yield f"key {wish.key} was told of {len(wish.order_ids)} orders: {', '.join(wish.order_ids)}"
    if len(under_key) > 1:
        yield f"{len(under_key)} orders stand for key {wish.key}"
    for order_id in wish.order_ids:
        order = orders.get(order_id)
        if order is None:
            yield f"order {order_id}, of which its client was told, does not exist"
        else:
            yield from _kept_word(wish, order)


def _kept_word(wish: Purchase, order: OrderRow) -> Iterator[str]:
    named = f"order {order.order_id}"
    if (order.customer_id, order.key) != (wish.customer_id, wish.key):
        yield f"{named} was told to key {wish.key} of another order"
    if wish.was_told(*CONFIRMED) and order.status not in CONFIRMED:
        if not wish.asked_to_cancel:
            yield f"{named} was told as confirmed and is {order.status}"
        elif order.status not in UNDONE:
            yield f"{named} was told as confirmed, then asked to be canceled, and is {order.status}"
    if wish.was_told(*GIVEN_BACK) and order.status not in GIVEN_BACK:
        yield f"{named} was told as canceled and is {order.status}"
    if any(answer.status == 402 for answer in wish.answers) and order.status != "CANCELED":
        yield f"{named} was told as declined and is {order.status}"
    for answer in wish.answers:
        if answer.asked == "cancel" and answer.status in (200, 202) and order.status in CONFIRMED:
            # Taken on, it may still turn out that the carrier has had the parcel all along: no other excuse.
            had_left = (answer.status, answer.order_status) == (202, "REFUNDING") and order.status != "CONFIRMED"
            if not had_left:
                yield f"{named} was answered {answer.status} to its cancel and is {order.status}"


def _orders(books: Books) -> Iterator[str]:
    asked = {charge.intent_id for charge in books.charges if charge.status == "requires_action"}
    for order in books.orders:
        waits = order.status == "AWAITING_PAYMENT" and order.intent_id in asked
        if order.status not in SETTLED and not waits:
            yield f"order {order.order_id} is lost: it rests as {order.status}, payment {order.payment or 'none'}"
        if order.status in CONFIRMED:
            if order.reservation != "COMMITTED":
                yield f"order {order.order_id} is {order.status} while its stock is {order.reservation or 'nowhere'}"
            if order.shipments != 1:
                yield f"order {order.order_id} is {order.status} with {order.shipments} shipments"
        elif order.status in GIVEN_BACK:
            if order.reservation in ("HELD", "PAYING", "COMMITTED"):
                yield f"order {order.order_id} is {order.status} and keeps its stock {order.reservation}"
            if order.shipments:
                yield f"order {order.order_id} is {order.status} and is shipped"


def _mails(books: Books) -> Iterator[str]:
    for order in books.orders:
        must = MAILS.get(order.status)
        if must is not None and not order.is_moving and sorted(order.mails) != sorted(must):
            queued = ", ".join(order.mails) or "none"
            yield f"order {order.order_id} is {order.status} with the mails {queued}; it must be {', '.join(must) or 'none'}"


def _parcels(books: Books) -> Iterator[str]:
    for order in books.orders:
        if order.status in GIVEN_BACK and order.bookings and not order.is_moving:
            yield f"order {order.order_id} is {order.status} and the carrier has {order.bookings} bookings for it"
        if order.status in CONFIRMED and order.bookings > 1:
            yield f"order {order.order_id} is {order.status} and was booked {order.bookings} times"


def _money(books: Books) -> Iterator[str]:
    orders = {order.order_id: order for order in books.orders}
    of_order: defaultdict[str, list[Charge]] = defaultdict(list)
    for charge in books.charges:
        of_order[charge.order_id].append(charge)
        if charge.authorized and charge.order_id not in orders:
            yield f"the provider took {charge.authorized} for order {charge.order_id or '(none)'}, which does not exist"
        elif charge.authorized and orders[charge.order_id].intent_id != charge.intent_id:
            yield f"order {charge.order_id} has no record of charge {charge.intent_id} of {charge.authorized}"
    for order in books.orders:
        charges = of_order[order.order_id]
        captures = sum(charge.captures for charge in charges)
        captured = sum(charge.captured for charge in charges)
        net = captured - sum(charge.refunded for charge in charges)
        held = sum(charge.held for charge in charges if charge.status == "requires_capture")
        if captures > 1:
            yield f"order {order.order_id} was charged {captures} times"
        if captures and captured != order.total:
            yield f"order {order.order_id} of {order.total} was charged {captured}"
        if order.status in CONFIRMED and (captures, net) != (1, order.total):
            yield f"order {order.order_id} is {order.status} with {captures} captures and {net} of {order.total} kept"
        if order.status in GIVEN_BACK and (net or held):
            yield f"order {order.order_id} is {order.status} while the provider keeps {net} and holds {held}"


def _stock(books: Books) -> Iterator[str]:
    sold: Counter[str] = Counter()
    reserved: Counter[str] = Counter()
    for order in books.orders:
        for sku, quantity in order.lines:
            if order.reservation == "COMMITTED":
                sold[sku] += quantity
            elif order.reservation in ("HELD", "PAYING"):
                reserved[sku] += quantity
    for stock in books.stock:
        levels = (stock.available, stock.reserved, stock.sold)
        if min(levels) < 0 or sum(levels) != stock.received - stock.written_off:
            yield f"the stock of {stock.sku} does not add up: {stock}"
        if (stock.reserved, stock.sold) != (reserved[stock.sku], sold[stock.sku]):
            yield (
                f"{stock.sku} says {stock.reserved} reserved and {stock.sold} sold,"
                f" its orders {reserved[stock.sku]} and {sold[stock.sku]}"
            )


def _events(books: Books) -> Iterator[str]:
    for event_id, event_type in books.events.items():
        for subscriber in books.hearers.get(event_id, ()):
            status = books.deliveries.get((subscriber, event_id))
            if status != "PROCESSED":
                yield f"{subscriber} has {event_type} {event_id} as {status or 'never heard'}"
    for subscriber, event_id in books.deliveries:
        if event_id not in books.told:
            yield f"{subscriber} has heard {event_id}, which nobody told"
