"""Recording an order: what is wanted, at the server's prices, before anything is reserved or charged."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog
from django.conf import settings
from django.db.models import Q

from inventory import api as inventory
from orders.events import OrderPlaced
from orders.models import UNPAID, DiscountCode, Order, OrderStatus, new_order_number
from orders.pricing.basket import Destination
from orders.pricing.price import WhyNot
from orders.pricing.priced import Adjustment
from orders.queries import (
    DETAILS,
    SAID_BY_ALL,
    SAID_BY_SOME,
    Address,
    OrderLineState,
    OrderProgress,
    OrderState,
    SaidByAll,
    SaidBySome,
    get_progress,
)
from orders.services.held_unpaid import (
    HolderKeys,
    OpenOrder,
    Room,
    has_verified,
    holder_keys,
    limits,
    mailbox_key,
    too_much_held,
)
from orders.services.price_order import RefusedCode, price_order
from orders.services.quotes import Quote
from orders.services.saga_store import RESUME_SWEEP, lease
from shop import transactions
from shop.clock import now
from shop.errors import Refusal
from shop.events.outbox import fact
from shop.events.publishing import announce
from shop.ids import new_id
from shop.money import Money
from shop.rest.idempotency import IdempotencyKeyReused
from shop.statements import Statement, Together
from shop.work.background import wake

# Of a guest's order whose links nobody has revoked.
FIRST_LINK_EPOCH = 1

_PLACE_ORDER = Statement("orders", "place_order")
# Records what else the customer said with an order that place_order.sql has placed in the same transaction; writes nothing
# where that placed none. Locks: its own row.
_ADD_CONTACT_DETAILS = Statement(
    "orders",
    "add_contact_details",
    text=f"INSERT INTO orders_contactdetails (order_id, {', '.join(DETAILS)})"
    f" SELECT placed.id, {', '.join(f'%({name})s' for name in DETAILS)}"
    " FROM orders_order AS placed WHERE placed.id = %(order_id)s::uuid",
)
_ADD_ADJUSTMENTS = Statement("orders", "add_adjustments")
_HOLD_CODES = Statement("orders", "hold_codes")
# What only some orders have is sent together with the order.
_PLACE_WITH: dict[tuple[Statement, ...], Together] = {
    additions: Together(
        "orders",
        "_and_".join(("place_order", *(addition.name.partition(".")[2] for addition in additions))),
        [_PLACE_ORDER.text, *(addition.text for addition in additions)],
    )
    for additions in ((_ADD_CONTACT_DETAILS,), (_ADD_ADJUSTMENTS,), (_ADD_CONTACT_DETAILS, _ADD_ADJUSTMENTS))
}
NO_ADDRESS = Address(name="", line1="", line2="", city="", region="", postal_code="", country="")
_LOCK_GUEST = Statement("orders", "lock_guest")
_LOCK_KEY = Statement("orders", "lock_key")
_COUNT_OPEN = Statement("orders", "count_open_of_guests")

log = structlog.get_logger(__name__)


class TotalChanged(Refusal):
    """The total that the client showed its customer is not what the order costs, or the time of its quote is over.

    facts.quote is a new quote, where the order came with one.
    """

    code = "total_changed"
    title = "The total has changed; show the customer the new one and order again with a new Idempotency-Key"
    http_status = 409
    fact_types = {"expected_total": Money, "total": Money, "quote": dict | None}


class CodeNotUsable(Refusal):
    """A discount code that came with the order takes nothing off it; the order is not placed without it.

    facts.reason says why, as in `refused_codes` of a quote.
    """

    code = "code_not_usable"
    title = "A discount code cannot be used; show the customer why, and order again with a new Idempotency-Key"
    http_status = 409
    # A problem's own code is its kind.
    fact_types = {"discount_code": str, "reason": str}

    def __init__(self, refused: RefusedCode) -> None:
        super().__init__(refused.detail, discount_code=refused.code, reason=str(refused.reason))
        self.refused = refused


class TooManyOpenOrders(Refusal):
    """The customer has as many unpaid orders as one may have at once, and each of them may hold stock.

    facts.open_orders names them.
    """

    code = "too_many_open_orders"
    title = "Too many orders are waiting for their payment; pay or cancel one of them, then order again"
    http_status = 429
    fact_types = {"unpaid": int, "allowed": int, "open_orders": list[OpenOrder]}


@dataclass(frozen=True, kw_only=True)
class NewOrder(SaidByAll, SaidBySome):
    """An order as its customer wants it, on its way from the request through the saga to its row.

    `lines` are (sku, quantity); `fingerprint` tells the request from another one with the same key.
    """

    customer_id: uuid.UUID
    idempotency_key: str
    fingerprint: str
    lines: tuple[tuple[str, int], ...]
    shipping_address: Address
    expected_total: Money | None = None
    shipping_option: str = ""
    codes: tuple[str, ...] = ()
    # What its lines, shipping option and codes are from, where its customer was quoted a price.
    quote: Quote | None = None
    billing_address: Address | None = None
    by_guest: bool = False

    @property
    def destination(self) -> Destination:
        """Where the parcel goes, as far as the price depends on it."""
        to = self.shipping_address
        return Destination(country=to.country, region=to.region, postal_code=to.postal_code)


def find_placed_order(*, new: NewOrder) -> uuid.UUID | None:
    """Return the order that this customer placed with this key, None where there is none.

    Raises: IdempotencyKeyReused where it was placed with another body.
    """
    placed = Q(customer_id=new.customer_id, idempotency_key=new.idempotency_key)
    if new.by_guest:
        # Note [A key of a guest] in take_along.py.
        placed |= Q(guest_id=new.customer_id, idempotency_key=f"{new.customer_id} {new.idempotency_key}")
    row = Order.objects.filter(placed).values_list("pk", "fingerprint").first()
    if row is None:
        return None
    if row[1] != new.fingerprint:
        raise IdempotencyKeyReused(order_id=str(row[0]))
    return row[0]


def place_order(*, new: NewOrder, offers: Mapping[str, inventory.ProductOffer], inline: bool = True) -> OrderProgress:
    """Record an order at the offers of its products, PENDING; return how it stands. Idempotent by (customer, key).

    `inline`: the caller walks the saga itself, so the sweep leaves it alone for a lease; otherwise it is due at once.

    Raises: IdempotencyKeyReused, TooManyOpenOrders, TooMuchHeldUnpaid, TotalChanged; and as price_order, which the
    shop's rules make refuse.
    """
    order, codes = _price(new, offers)
    free = {sku: offer.available for sku, offer in offers.items()}
    room, placed_at, pay_before = _record(order, new, free, codes, inline=inline)
    if placed_at is None or pay_before is None:
        # The key placed an order before, which may have been the last that there was room for; or there is no room.
        existing = find_placed_order(new=new)
        if existing is not None:
            return get_progress(order_id=existing)
        raise _no_room(new.customer_id, room)
    log.info("order.placed", order_id=str(order.order_id), total_minor=order.total.minor, currency=order.total.currency)
    return _progress(replace(order, placed_at=placed_at, pay_before=pay_before), new.payment_method, free)


def _price(new: NewOrder, offers: Mapping[str, inventory.ProductOffer]) -> tuple[OrderState, tuple[DiscountCode, ...]]:
    """Return the order as it will stand once it is recorded, and the codes that it uses.

    Raises: CodeNotUsable, TotalChanged, and as price_order.
    """
    costs = price_order(
        lines=new.lines,
        offers=offers,
        destination=new.destination,
        shipping_option=new.shipping_option,
        codes=new.codes,
        vat_number=new.vat_number,
        customer_id=new.customer_id,
        is_order=True,
    )
    for refused in costs.refused_codes:
        raise CodeNotUsable(refused)
    _judge_total(new, costs.total)
    order = OrderState(
        order_id=new_id(),
        number=new_order_number(),
        customer_id=new.customer_id,
        status=OrderStatus.PENDING,
        version=1,
        total=costs.total,
        lines=tuple(OrderLineState(item.sku, item.name, item.quantity, item.unit_price) for item in costs.priced.items),
        adjustments=costs.priced.adjustments,
        shipping_address=new.shipping_address,
        placed_at=now(),
        pay_before=now(),
        has_payment_method=bool(new.payment_method),
        billing_address=new.billing_address,
        **{name: getattr(new, name) for name in (*SAID_BY_ALL, *SAID_BY_SOME)},
    )
    return order, costs.codes


def _judge_total(new: NewOrder, total: Money) -> None:
    """Insist that the order costs what its customer was shown. Raises: TotalChanged."""
    for expected in (new.expected_total, new.quote and new.quote.total):
        if expected is not None and expected != total:
            raise TotalChanged(expected_total=expected, total=total)
    if new.quote is not None and new.quote.is_over:
        raise TotalChanged(
            "The time of the quote is over; show the customer the new one and order by it with a new Idempotency-Key",
            expected_total=new.quote.total,
            total=total,
        )


def _no_room(customer_id: uuid.UUID, room: Room) -> Refusal:
    """Return why there was no room. What others hold at the same address is not told."""
    if room.over_sku is None or room.unpaid >= settings.MAX_OPEN_ORDERS_PER_CUSTOMER:
        log.info("order.too_many_open", customer_id=str(customer_id), unpaid=room.unpaid)
        numbers = ", ".join(each.number for each in room.open_orders)
        return TooManyOpenOrders(
            f"{TooManyOpenOrders.title}: {numbers}",
            unpaid=room.unpaid,
            allowed=settings.MAX_OPEN_ORDERS_PER_CUSTOMER,
            open_orders=list(room.open_orders),
        )
    log.info("order.too_much_held", customer_id=str(customer_id), sku=room.over_sku, rule=room.over_rule)
    return too_much_held(room, waits=False)


def _record(
    order: OrderState, new: NewOrder, free: Mapping[str, int], codes: Sequence[DiscountCode], *, inline: bool
) -> tuple[Room, datetime | None, datetime | None]:
    """Write the order; return the room there was for it, and its moments if it was written.

    One statement, or several that are sent together where the order has adjustments or contact details. One that uses
    codes holds them in the same transaction, or is not written. Raises: CodeNotUsable.
    """
    event = OrderPlaced(order_id=order.order_id, total=order.total)
    # An order with a payment method is judged once that waits for its customer, and most never do. One that costs
    # nothing waits for nobody.
    judged = bool(order.total.minor) and not new.payment_method
    verified = judged and not new.by_guest and has_verified(customer_id=order.customer_id, email=order.email)
    keys = holder_keys(email=order.email, address=order.shipping_address)
    mailbox = None
    if any(code.once_per_customer for code in codes):
        mailbox = mailbox_key(customer_id=order.customer_id, email=order.email, by_guest=new.by_guest)
    with (transactions.transaction if new.by_guest or codes else transactions.single)("orders"):
        if new.by_guest and (crowded := room_of_guest(new, keys if judged else None)) is not None:
            return crowded, None, None
        # Lost in a crash, the order was lost before its payment was written down, which waits for the disk, and before
        # its customer had an answer. One that is only recorded is answered right away.
        row = _run(
            _additions_of(order),
            asynchronous=inline,
            order_id=order.order_id,
            number=order.number,
            customer_id=order.customer_id,
            idempotency_key=new.idempotency_key,
            fingerprint=new.fingerprint,
            total_minor=order.total.minor,
            currency=order.total.currency,
            time_to_pay=timedelta(seconds=settings.RESERVATION_TTL_SECONDS),
            most_orders=settings.MAX_OPEN_ORDERS_PER_CUSTOMER,
            lines=_lines_as_json(order.lines, free),
            **limits(),
            email_verified=verified,
            **vars(keys),
            link_epoch=FIRST_LINK_EPOCH if new.by_guest else None,
            **{name: getattr(order, name) for name in SAID_BY_ALL},
            **vars(order.shipping_address),
            saga_id=new_id(),
            due_in=lease() if inline else timedelta(0),
            **fact(event),
        )
        *room, placed_at, pay_before, _commits = row
        if placed_at is not None:
            if codes:
                _hold(codes, order, mailbox, judged=judged)
            announce(event)
            if not inline:
                wake(RESUME_SWEEP, context="orders")
    return Room.of(*room), placed_at, pay_before


def _hold(codes: Sequence[DiscountCode], order: OrderState, mailbox: int | None, *, judged: bool) -> None:
    """Hold a use of each code for the order that the open transaction has placed. Raises: CodeNotUsable.

    `judged`: the order comes without a payment method, and such orders may hold only a part of a limited code's uses.
    """
    rows = _HOLD_CODES.run(
        order_id=order.order_id,
        code_ids=[code.pk for code in codes],
        customer_id=order.customer_id,
        mailbox_key=mailbox,
        judged=judged,
        code_share=settings.MAX_HELD_UNPAID_CODE_SHARE,
    )
    found = {code_id: _why_not_held(*outcome) for code_id, *outcome in rows}
    for code in codes:
        why = found.get(code.pk, WhyNot.USED_UP)
        if why is not None:
            log.info("order.code_not_usable", customer_id=str(order.customer_id), code=code.code, reason=str(why))
            raise CodeNotUsable(RefusedCode(code=code.code, reason=why))


def _why_not_held(is_crowded: bool, is_free: bool, is_written: bool) -> WhyNot | None:
    """Return why no use of a code was held, None where one was."""
    if is_crowded:
        return WhyNot.HELD
    if not is_free:
        return WhyNot.USED_UP
    return None if is_written else WhyNot.USED_BY_CUSTOMER


def _run(additions: Mapping[Statement, Mapping[str, str]], *, asynchronous: bool, **values: Any) -> tuple[Any, ...]:
    """Run place_order.sql, with the statements that add what this order has besides; return its one row."""
    for added in additions.values():
        values |= added
    if additions and transactions.is_single():
        rows, *_added = _PLACE_WITH[tuple(additions)].run(asynchronous=asynchronous, **values)
        return rows[0]
    rows = _PLACE_ORDER.run(asynchronous=asynchronous, **values)
    for addition in additions:
        addition.run(**values)
    return rows[0]


def _additions_of(order: OrderState) -> dict[Statement, dict[str, str]]:
    """Return the statements that write what only some orders have, with their parameters."""
    details, adjustments = _details_of(order), order.adjustments
    additions = {_ADD_CONTACT_DETAILS: details} if details else {}
    if adjustments:
        additions[_ADD_ADJUSTMENTS] = {"adjustments": _adjustments_as_json(adjustments)}
    return additions


def _details_of(order: OrderState) -> dict[str, str]:
    """Return the columns of orders_contactdetails for an order, none where its customer said nothing of that kind."""
    said = {name: getattr(order, name) for name in SAID_BY_SOME}
    if order.billing_address is None and not any(said.values()):
        return {}
    billing = order.billing_address or NO_ADDRESS
    return said | {f"billing_{member}": text for member, text in vars(billing).items()}


def lock_orders_of(customer_id: uuid.UUID) -> None:
    """Have no order of this customer placed until the end of the open transaction."""
    _LOCK_GUEST.run(customer_id=customer_id)


def room_of_guest(new: NewOrder, keys: HolderKeys | None) -> Room | None:
    """Return the room that a guest's order lacks, None where there may be enough. To be called in its transaction.

    One mailbox makes any number of guests. So those without a payment method count together, as one customer's do. `keys`:
    None where the order is not judged. There is no room either where the key has placed an order before: an account
    may have taken that along since, and then no unique key meets the guest's.
    Locks: as orders_room_to_wait(), in the same order, so that neither waits for the other.
    """
    lock_orders_of(new.customer_id)
    if find_placed_order(new=new) is not None:
        return Room(0, None, None, None, None, None, ())
    if keys is None or keys.email_key is None or keys.address_key is None:
        return None
    for key in sorted((keys.email_key, keys.address_key)):
        _LOCK_KEY.run(key=key)
    counted = _COUNT_OPEN.one(email_key=keys.email_key)
    unpaid = counted[0] if counted else 0
    if unpaid < settings.MAX_OPEN_ORDERS_PER_CUSTOMER:
        return None
    own = Order.objects.filter(customer_id=new.customer_id, status__in=UNPAID).order_by("pk")
    named = tuple(OpenOrder(*each) for each in own.values_list("pk", "number", "status"))
    return Room(unpaid, None, None, None, None, None, named)


def _lines_as_json(lines: Sequence[OrderLineState], free: Mapping[str, int]) -> str:
    return msgspec.json.encode(
        [
            {
                "position": position,
                "sku": line.sku,
                "name": line.name,
                "quantity": line.quantity,
                "unit_price_minor": line.unit_price.minor,
                "free": free[line.sku],
            }
            for position, line in enumerate(lines, start=1)
        ]
    ).decode()


def _adjustments_as_json(adjustments: Sequence[Adjustment]) -> str:
    return msgspec.json.encode(
        [
            {
                "position": position,
                "kind": adjustment.kind,
                "label": adjustment.label,
                "code": adjustment.code,
                "rate": adjustment.rate,
                "amount_minor": adjustment.amount.minor,
                "included": adjustment.included,
                "shares": adjustment.shares,
            }
            for position, adjustment in enumerate(adjustments, start=1)
        ]
    ).decode()


def _progress(order: OrderState, payment_method: str, free: Mapping[str, int]) -> OrderProgress:
    return OrderProgress(
        order_id=order.order_id,
        status=str(order.status),
        total=order.total,
        lines=tuple((line.sku, line.quantity) for line in order.lines),
        payment_method=payment_method,
        pays_at_once=order.has_payment_method or not order.total.minor,
        overdue=False,
        pay_before=order.pay_before,
        placed_at=order.placed_at,
        cancel_reason="",
        unjudged=order.has_payment_method,
        free=free,
        known=order,
    )
