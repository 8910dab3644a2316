"""Recording an order: what is wanted, at the server's prices, before anything is reserved or charged."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.conf import settings
from django.db import IntegrityError, connections
from django.db.models.functions import Now

from orders.events import OrderPlaced
from orders.models import UNPAID_STATUSES, Contact, Order, OrderLine, Saga
from orders.queries import Address
from orders.rules import may_open_another, order_total
from orders.services.saga_rows import RESUME_SWEEP, lease
from shop import transactions
from shop.background import wake
from shop.errors import Refusal
from shop.events.outbox import publish
from shop.money import Money
from shop.rest.idempotency import IdempotencyKeyReused

log = structlog.get_logger(__name__)


class MixedCurrencies(Refusal):
    """The lines are priced in more than one currency; an order is paid in one."""

    code = "mixed_currencies"
    title = "All lines of an order must be priced in one currency; place one order per currency"
    http_status = 422


class NothingToPay(Refusal):
    """The lines cost nothing: there is nothing to authorize, and an order is confirmed by its payment only."""

    code = "nothing_to_pay"
    title = "An order must cost something"
    http_status = 422


class TotalChanged(Refusal):
    """The total that the client showed its customer is not what the order costs."""

    code = "total_changed"
    title = "The total has changed; show the customer the new one and order again with a new Idempotency-Key"
    http_status = 409


class TooManyOpenOrders(Refusal):
    """The customer has as many unpaid orders as one may have at once, and each of them may hold stock."""

    code = "too_many_open_orders"
    title = "Too many orders are waiting for their payment; pay or cancel one of them, then order again"
    http_status = 429


@dataclass(frozen=True)
class PricedLine:
    """A line with the server's own price and name at the moment of sale."""

    sku: str
    name: str
    quantity: int
    unit_price: Money


def find_placed_order(*, customer_id: uuid.UUID, idempotency_key: str, fingerprint: str) -> uuid.UUID | None:
    """Return the order that this customer placed with this key, None where there is none.

    Raises: IdempotencyKeyReused where it was placed with another body.
    """
    row = (
        Order.objects.filter(customer_id=customer_id, idempotency_key=idempotency_key)
        .values_list("pk", "fingerprint")
        .first()
    )
    if row is None:
        return None
    if row[1] != fingerprint:
        raise IdempotencyKeyReused(order_id=str(row[0]))
    return row[0]


def place_order(
    *,
    customer_id: uuid.UUID,
    idempotency_key: str,
    fingerprint: str,
    lines: Sequence[PricedLine],
    email: str,
    shipping_address: Address,
    payment_method: str,
    expected_total: Money | None = None,
    inline: bool = True,
) -> uuid.UUID:
    """Record an order, PENDING; return its id. Idempotent by (customer, key).

    `inline`: the caller walks the saga itself, so the sweep leaves it alone for a lease; otherwise it is due at once.

    Raises: IdempotencyKeyReused, MixedCurrencies, NothingToPay, TooManyOpenOrders, TotalChanged.
    """
    currencies = {line.unit_price.currency for line in lines}
    if len(currencies) != 1:
        raise MixedCurrencies(currencies=sorted(currencies))
    total = order_total(((line.unit_price, line.quantity) for line in lines), currencies.pop())
    if expected_total is not None and expected_total != total:
        raise TotalChanged(expected_total=str(expected_total), total=str(total))
    if not total.minor:
        raise NothingToPay(total=total)
    try:
        with transactions.transaction("orders"):
            _insist_on_room(customer_id)
            order = Order.objects.create(
                customer_id=customer_id,
                idempotency_key=idempotency_key,
                fingerprint=fingerprint,
                total_minor=total.minor,
                currency=total.currency,
                payment_method=payment_method,
                pays_at_once=bool(payment_method),
                pay_before=Now() + timedelta(seconds=settings.RESERVATION_TTL_SECONDS),
            )
            _record_details(order, lines, email, shipping_address)
            Saga.objects.create(order=order, name="checkout", due_at=Now() + lease() if inline else Now())
            if not inline:
                wake(RESUME_SWEEP, context="orders")
            publish(OrderPlaced(order_id=order.pk, total=total), aggregate_id=order.pk, aggregate_version=1)
    except (IntegrityError, TooManyOpenOrders):
        # The same key placed at the same moment leads here, and its order may have been the last that there was room for.
        existing = find_placed_order(customer_id=customer_id, idempotency_key=idempotency_key, fingerprint=fingerprint)
        if existing is None:
            raise
        return existing
    log.info("order.placed", order_id=str(order.pk), total_minor=total.minor, currency=total.currency)
    return order.pk


def _insist_on_room(customer_id: uuid.UUID) -> None:
    """Refuse another order where the customer has too many unpaid; orders of one customer are placed one by one.

    The lock ends with the transaction and is the first thing that it takes, so it waits for nobody but another order
    of the same customer. The count is a statement of its own: it has to see what the lock has waited for.
    Raises: TooManyOpenOrders.
    """
    with connections[transactions.require("orders")].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"orders of {customer_id}"])
    unpaid = Order.objects.filter(customer_id=customer_id, status__in=UNPAID_STATUSES).count()
    if not may_open_another(unpaid=unpaid, allowed=settings.MAX_OPEN_ORDERS_PER_CUSTOMER):
        log.info("order.too_many_open", customer_id=str(customer_id), unpaid=unpaid)
        raise TooManyOpenOrders(unpaid=unpaid, allowed=settings.MAX_OPEN_ORDERS_PER_CUSTOMER)


def _record_details(order: Order, lines: Sequence[PricedLine], email: str, address: Address) -> None:
    OrderLine.objects.bulk_create(
        OrderLine(
            order=order,
            position=position,
            sku=line.sku,
            name=line.name,
            quantity=line.quantity,
            unit_price_minor=line.unit_price.minor,
        )
        for position, line in enumerate(lines, start=1)
    )
    Contact.objects.create(
        order=order,
        email=email,
        name=address.name,
        line1=address.line1,
        line2=address.line2,
        city=address.city,
        region=address.region,
        postal_code=address.postal_code,
        country=address.country,
    )
