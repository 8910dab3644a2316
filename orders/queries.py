"""Reads of orders."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import BooleanField, ExpressionWrapper, F, Max, Q, QuerySet
from django.db.models.functions import Now

from orders.models import Contact, Order, OrderLine, Saga
from shop.errors import NotFound
from shop.money import Money


class OrderNotFound(NotFound):
    """No such order, or it belongs to somebody else."""

    code = "order_not_found"
    title = "There is no such order"


@dataclass(frozen=True)
class Address:
    """Where the parcel goes; `country` is ISO 3166-1 alpha-2."""

    name: str
    line1: str
    line2: str
    city: str
    region: str
    postal_code: str
    country: str


@dataclass(frozen=True)
class OrderLineState:
    """One product as it was sold."""

    sku: str
    name: str
    quantity: int
    unit_price: Money

    @property
    def line_total(self) -> Money:
        """Unit price times quantity."""
        return self.unit_price * self.quantity


@dataclass(frozen=True)
class OrderState:
    """An order as other contexts and the API see it."""

    order_id: uuid.UUID
    number: str
    customer_id: uuid.UUID
    status: str
    version: int
    total: Money
    lines: tuple[OrderLineState, ...]
    email: str
    shipping_address: Address
    placed_at: datetime
    pay_before: datetime
    confirmed_at: datetime | None
    closed_at: datetime | None
    cancel_reason: str
    refusal: dict[str, object] | None
    carrier: str
    tracking_number: str
    has_payment_method: bool


def get_order(*, order_id: uuid.UUID, customer_id: uuid.UUID | None = None) -> OrderState:
    """Return one order; with `customer_id` only if it is theirs. Raises: OrderNotFound."""
    rows = orders_with_details().filter(pk=order_id)
    if customer_id is not None:
        rows = rows.filter(customer_id=customer_id)
    row = rows.first()
    if row is None:
        raise OrderNotFound(order_id=str(order_id))
    return order_state(row)


def orders_with_details() -> QuerySet[Order]:
    """Return the orders with what `order_state` needs, in two statements."""
    return Order.objects.select_related("contact").prefetch_related("lines")


def order_state(row: Order) -> OrderState:
    """Return the state that a row holds."""
    contact: Contact = row.contact
    lines: list[OrderLine] = list(row.lines.all())
    return OrderState(
        order_id=row.pk,
        number=row.number,
        customer_id=row.customer_id,
        status=row.status,
        version=row.version,
        total=row.total,
        lines=tuple(
            OrderLineState(line.sku, line.name, line.quantity, Money(line.unit_price_minor, row.currency))
            for line in lines
        ),
        email=contact.email,
        shipping_address=Address(
            name=contact.name,
            line1=contact.line1,
            line2=contact.line2,
            city=contact.city,
            region=contact.region,
            postal_code=contact.postal_code,
            country=contact.country,
        ),
        placed_at=row.placed_at,
        pay_before=row.pay_before,
        confirmed_at=row.confirmed_at,
        closed_at=row.closed_at,
        cancel_reason=row.cancel_reason,
        refusal=row.refusal,
        carrier=row.carrier,
        tracking_number=row.tracking_number,
        has_payment_method=bool(row.payment_method),
    )


@dataclass
class OrderProgress:
    """What a saga needs to know of an order to take its next step."""

    order_id: uuid.UUID
    status: str
    total: Money
    lines: tuple[tuple[str, int], ...]
    payment_method: str
    pays_at_once: bool
    overdue: bool
    pay_before: datetime
    placed_at: datetime
    cancel_reason: str


def get_progress(*, order_id: uuid.UUID) -> OrderProgress:
    """Return where an order stands, by the database's clock. Raises: OrderNotFound."""
    row = (
        Order.objects.filter(pk=order_id)
        .annotate(overdue=ExpressionWrapper(Q(pay_before__lt=Now()), output_field=BooleanField()))
        .first()
    )
    if row is None:
        raise OrderNotFound(order_id=str(order_id))
    return OrderProgress(
        order_id=row.pk,
        status=row.status,
        total=row.total,
        lines=tuple(row.lines.values_list("sku", "quantity")),
        payment_method=row.payment_method,
        pays_at_once=row.pays_at_once,
        overdue=row.overdue,
        pay_before=row.pay_before,
        placed_at=row.placed_at,
        cancel_reason=row.cancel_reason,
    )


def get_sagas(*, order_id: uuid.UUID) -> list[Saga]:
    """Return the sagas of an order, in the order they began."""
    return list(Saga.objects.filter(order_id=order_id).order_by("started_at"))


def count_parked_sagas() -> dict[tuple[str, ...], float]:
    """Return how many sagas wait for a human, for the scrape of metrics."""
    return {(): Saga.objects.filter(finished_at=None, parked_at__isnull=False).count()}


def oldest_due_saga() -> dict[tuple[str, ...], float]:
    """Return for how many seconds the saga that is due the longest has been so, for the scrape of metrics."""
    late = Saga.objects.filter(due_at__lt=Now()).aggregate(late=Max(Now() - F("due_at")))["late"]
    return {(): late.total_seconds() if late else 0.0}


def iter_orders(*, batch: int = 1000) -> Iterator[Order]:
    """Yield every order by rising id, a page at a time."""
    after = uuid.UUID(int=0)
    while page := list(Order.objects.filter(pk__gt=after).order_by("pk")[:batch]):
        yield from page
        after = page[-1].pk
