"""Reads of orders."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from orders.models import OPEN_USES, PAID, SENT, CodeUse, DiscountCode, Fee, Order, OrderStatus, Saga, TaxRate
from orders.pricing.priced import Adjustment, AdjustmentKind, share_in
from orders.pricing.rules import Rules
from orders.rules import ids_of_full_refunds
from payments import api as payments
from shop.audit.told import Told, find_told
from shop.counting import count_up_to
from shop.errors import NotFound
from shop.money import Money
from shop.remembered import Remembered
from shop.statements import Statement
from shop.states import read_status
from shop.text import alike

_GET_PROGRESS = Statement("orders", "get_progress")
_PAGE_ORDERS = Statement("orders", "page_orders")
_read_json = msgspec.json.decode


class OrderNotFound(NotFound):
    """No such order, or it belongs to somebody else."""

    code = "order_not_found"
    title = "There is no such order"
    fact_types = {"order_id": uuid.UUID}


@dataclass(frozen=True)
class Address:
    """Where the parcel or the bill goes; `country` is ISO 3166-1 alpha-2."""

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


@dataclass(frozen=True, kw_only=True)
class SaidByAll:
    """What every customer says with an order: each member is a column of that name, and a parameter of place_order.sql."""

    email: str
    # The provider's token that the order is to be paid with.
    payment_method: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class SaidBySome:
    """What only some customers say with an order, beside a billing address: each member is a text of orders_contactdetails."""

    company: str = ""
    vat_number: str = ""
    phone: str = ""
    note: str = ""
    locale: str = ""


@dataclass(frozen=True, kw_only=True)
class OrderState(SaidByAll, SaidBySome):
    """An order as other contexts and the API see it: total = lines + adjustments that are not included."""

    order_id: uuid.UUID
    number: str
    customer_id: uuid.UUID
    status: OrderStatus
    version: int
    total: Money
    lines: tuple[OrderLineState, ...]
    adjustments: tuple[Adjustment, ...] = ()
    shipping_address: Address
    placed_at: datetime
    pay_before: datetime
    has_payment_method: bool
    confirmed_at: datetime | None = None
    closed_at: datetime | None = None
    cancel_reason: str = ""
    refusal: dict[str, object] | None = None
    carrier: str = ""
    tracking_number: str = ""
    # Whether the address and the email address are erased: nothing can be sent any more.
    erased: bool = False
    billing_address: Address | None = None
    # Of a guest's order: which links open it. None: an account's, which no link opens.
    link_epoch: int | None = None
    # The guest who placed it, where an account has taken it along: both see it.
    guest_id: uuid.UUID | None = None
    # The request that has extended the time to pay.
    hold_extension: uuid.UUID | None = None

    def is_of(self, customer_id: uuid.UUID | None) -> bool:
        """Return whether it is the order of this customer: of the account that has it, or of the guest who placed it."""
        return customer_id is not None and customer_id in (self.customer_id, self.guest_id)

    @property
    def subtotal(self) -> Money:
        """The sum of the lines at their unit prices."""
        return Money(sum(line.line_total.minor for line in self.lines), self.total.currency)

    @property
    def line_totals(self) -> tuple[Money, ...]:
        """What each line costs with its share of every adjustment; they add up to the total."""
        return share_in([line.line_total for line in self.lines], self.adjustments)


SAID_BY_ALL = tuple(member.name for member in fields(SaidByAll))
SAID_BY_SOME = tuple(member.name for member in fields(SaidBySome))
_ADDRESS_MEMBERS = [member.name for member in fields(Address)]
# The columns of orders_contactdetails, where an order has a row there.
DETAILS = (*SAID_BY_SOME, *(f"billing_{member}" for member in _ADDRESS_MEMBERS))
# What each member of OrderState is read from, of orders_order AS o, orders_contact AS c and orders_contactdetails AS d.
_COLUMNS = {
    "order_id": "o.id",
    "number": "o.number",
    "customer_id": "o.customer_id",
    "status": "o.status",
    "version": "o.version",
    "total": "o.total_minor",
    "currency": "o.currency",
    "lines": "(SELECT jsonb_agg(jsonb_build_array(l.sku, l.name, l.quantity, l.unit_price_minor) ORDER BY l.position)::text"
    " FROM orders_orderline AS l WHERE l.order_id = o.id)",
    "adjustments": "(SELECT jsonb_agg(jsonb_build_array(a.kind, a.label, a.code, a.rate::text, a.amount_minor, a.included,"
    " a.shares) ORDER BY a.position)::text FROM orders_adjustment AS a WHERE a.order_id = o.id)",
    "placed_at": "o.placed_at",
    "pay_before": "o.pay_before",
    "has_payment_method": "o.payment_method <> ''",
    "confirmed_at": "o.confirmed_at",
    "closed_at": "o.closed_at",
    "cancel_reason": "o.cancel_reason",
    "refusal": "o.refusal::text",
    "carrier": "o.carrier",
    "tracking_number": "o.tracking_number",
    "erased": "c.erased_at IS NOT NULL",
    "details": "CASE WHEN d.order_id IS NOT NULL THEN jsonb_build_array({})::text END".format(
        ", ".join(f"d.{name}" for name in DETAILS)
    ),
    "link_epoch": "o.link_epoch",
    "guest_id": "o.guest_id",
    "hold_extension": "o.hold_extension",
    **{name: name for name in SAID_BY_ALL},
}
_ADDRESS = [f"c.{member}" for member in _ADDRESS_MEMBERS]
_READ = f"SELECT {', '.join([*_COLUMNS.values(), *_ADDRESS])} FROM orders_order AS o"
_GET_ORDER = Statement(
    "orders",
    "get_order",
    text=f"{_READ} JOIN orders_contact AS c ON c.order_id = o.id LEFT JOIN orders_contactdetails AS d ON d.order_id = o.id"
    " WHERE o.id = %(order_id)s::uuid",
)
# OFFSET 0 has each contact looked up by its order: PostgreSQL expects ten orders, and would read a table of thousands once instead.
_GET_ORDERS = Statement(
    "orders",
    "get_orders",
    text=f"{_READ} JOIN LATERAL (SELECT * FROM orders_contact WHERE order_id = o.id OFFSET 0) AS c ON TRUE"
    " LEFT JOIN LATERAL (SELECT * FROM orders_contactdetails WHERE order_id = o.id OFFSET 0) AS d ON TRUE"
    " WHERE o.id = ANY(%(order_ids)s::uuid[])",
)


def get_order(*, order_id: uuid.UUID, customer_id: uuid.UUID | None = None) -> OrderState:
    """Return one order; with `customer_id` only if it is theirs. Raises: OrderNotFound."""
    row = _GET_ORDER.one(order_id=order_id)
    order = None if row is None else _state_of(row)
    if order is None or not (customer_id is None or order.is_of(customer_id)):
        raise OrderNotFound(order_id=str(order_id))
    return order


def get_orders(*, order_ids: Sequence[uuid.UUID]) -> list[OrderState]:
    """Return these orders, as they are asked for."""
    if not order_ids:
        return []
    found = find_orders(order_ids=order_ids)
    return [found[order_id] for order_id in order_ids]


def find_orders(*, order_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, OrderState]:
    """Return by id those of these orders that there are, in one read."""
    return {order.order_id: order for order in map(_state_of, _GET_ORDERS.run(order_ids=list(order_ids)))}


def _state_of(row: tuple[Any, ...]) -> OrderState:
    """Return the state that a row of the statements above holds."""
    found: dict[str, Any] = dict(zip(_COLUMNS, row, strict=False))
    currency, lines, refusal = found.pop("currency"), _read_json(found["lines"] or "[]"), found["refusal"]
    found["status"] = read_status(OrderStatus, found["status"])
    found["total"] = Money(found["total"], currency)
    found["lines"] = tuple(
        OrderLineState(sku, name, quantity, Money(price, currency)) for sku, name, quantity, price in lines
    )
    found["adjustments"] = tuple(_read_adjustment(told, currency) for told in _read_json(found["adjustments"] or "[]"))
    found["refusal"] = _read_json(refusal) if refusal else None
    if details := found.pop("details"):
        found |= _read_details(_read_json(details))
    return OrderState(**found, shipping_address=Address(*row[len(_COLUMNS) :]))


def _read_adjustment(told: Sequence[Any], currency: str) -> Adjustment:
    """Return the adjustment that a row of orders_adjustment holds."""
    kind, label, code, rate, amount, included, shares = told
    return Adjustment(
        kind=AdjustmentKind(kind),
        label=label,
        code=code,
        rate=None if rate is None else Decimal(rate),
        amount=Money(amount, currency),
        included=included,
        shares=tuple(shares),
    )


def _read_details(told: Sequence[str]) -> dict[str, Any]:
    """Return the members of OrderState that a row of orders_contactdetails holds."""
    billing = Address(*told[len(SAID_BY_SOME) :])
    return dict(zip(SAID_BY_SOME, told, strict=False)) | {"billing_address": billing if billing.country else None}


@dataclass(frozen=True, kw_only=True)
class MoneyReturned:
    """What went back to the customer of a canceled order: by its cancel, by other refunds before, and by their bank.

    `by_bank`: what disputes took of the payment, which we do not refund.
    """

    by_cancel: Money
    before: Money
    by_bank: Money

    @property
    def in_all(self) -> Money:
        """The sum of what we have refunded."""
        return self.by_cancel + self.before


def get_money_returned(*, order: OrderState) -> MoneyReturned:
    """Return what went back of a confirmed order that was canceled, as payments has recorded it by now."""
    payment = payments.get_payment(order_id=order.order_id)
    if payment is None:
        nothing = Money.zero(order.total.currency)
        return MoneyReturned(by_cancel=nothing, before=nothing, by_bank=nothing)
    by_cancel = payments.sum_given_back(order_id=order.order_id, refund_ids=ids_of_full_refunds(order.order_id))
    currency = payment.refunded.currency
    return MoneyReturned(
        by_cancel=Money(by_cancel, currency),
        before=Money(max(payment.refunded.minor - by_cancel, 0), currency),
        by_bank=payment.lost,
    )


def was_paid(*, order_id: uuid.UUID) -> bool:
    """Return whether money was ever taken for an order, also where it went back."""
    payment = payments.get_payment(order_id=order_id)
    return payment is not None and payment.captured.minor > 0


def orders_of(*, customer_id: uuid.UUID, is_guest: bool = False) -> QuerySet[Order]:
    """Return the rows of a customer's orders with nothing but their ids, to be paged through; a guest's whoever has them."""
    own = Q(customer_id=customer_id)
    return Order.objects.filter(own | Q(guest_id=customer_id) if is_guest else own).only("pk")


@dataclass
class OrderProgress:
    """What a saga needs to know of an order to take its next step, and what it has learned on the way."""

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
    # Whether the limits of what is held unpaid have yet to be asked, should the payment method wait for its customer.
    unjudged: bool = False
    # How many pieces of each product were free as this very walk placed the order; None where another walk did.
    free: Mapping[str, int] | None = None
    # What the row says while the walk passes through `status`, which is not written; "" where the row says `status`.
    stored: str = ""
    # The whole order as its row says, where the walk has known it from the start; it saves the answer a read.
    known: OrderState | None = None
    payment: payments.PaymentState | None = None

    @property
    def standing(self) -> list[str]:
        """The statuses that the row may have unless somebody moved it on: another may have written what is passed."""
        return [status for status in (self.stored, self.status) if status]

    def pass_through(self, status: str) -> None:
        """Go on as from `status` without writing it."""
        self.stored, self.status = self.stored or self.status, status

    def note_move(self, *, to: str, version: int, confirmed_at: datetime | None) -> None:
        """Keep what a move of the order's row has written."""
        self.status, self.stored = to, ""
        if self.known is not None:
            self.known = replace(self.known, status=OrderStatus(to), version=version, confirmed_at=confirmed_at)


def get_progress(*, order_id: uuid.UUID) -> OrderProgress:
    """Return where an order stands, by the database's clock. Raises: OrderNotFound."""
    row = _GET_PROGRESS.one(order_id=order_id)
    if row is None:
        raise OrderNotFound(order_id=str(order_id))
    status, total_minor, currency, payment_method, pays_at_once, overdue, pay_before, placed_at, *rest = row
    reason, unjudged, lines = rest
    return OrderProgress(
        order_id=order_id,
        status=status,
        total=Money(total_minor, currency),
        lines=tuple((sku, quantity) for sku, quantity in _read_json(lines or "[]")),
        payment_method=payment_method,
        pays_at_once=pays_at_once,
        overdue=overdue,
        pay_before=pay_before,
        placed_at=placed_at,
        cancel_reason=reason,
        unjudged=unjudged,
    )


def was_tried_with(*, order_id: uuid.UUID, payment_method: str) -> bool:
    """Return whether an order is, or was to be, paid with this very payment method."""
    payment = payments.get_payment(order_id=order_id)
    tried_before = payment is not None and payment.was_tried(payment_method)
    return tried_before or Order.objects.filter(pk=order_id, payment_method=payment_method).exists()


def find_by_number(name: str) -> uuid.UUID | None:
    """Return the order of a number, however it was read out or written down; None where there is none.

    Crockford's base 32 has no O, I and L; spaces and hyphens group the digits.
    """
    number = name.replace(" ", "").replace("-", "").upper().translate(str.maketrans("OIL", "011"))
    found: uuid.UUID | None = Order.objects.filter(number=number).values_list("pk", flat=True).first()
    return found


def get_by_number(*, number: str) -> OrderState | None:
    """Return the order of a number, however it was written down; None where there is none."""
    order_id = find_by_number(number)
    return None if order_id is None else find_orders(order_ids=[order_id]).get(order_id)


def get_sagas(*, order_id: uuid.UUID) -> list[Saga]:
    """Return the sagas of an order, in the order they began."""
    return list(Saga.objects.filter(order_id=order_id).order_by("started_at"))


def count_parked_sagas() -> dict[tuple[str, ...], float]:
    """Return how many sagas wait for a human, for the scrape of metrics."""
    return {(): count_up_to(Saga.objects.filter(finished_at=None, parked_at__isnull=False))}


def oldest_due_saga() -> dict[tuple[str, ...], float]:
    """Return for how many seconds the saga that is due the longest has been so, for the scrape of metrics."""
    late = Saga.objects.filter(due_at__lt=Now()).order_by("due_at").values_list(Now() - F("due_at"), flat=True).first()
    return {(): late.total_seconds() if late else 0.0}


def longest_walked_saga() -> dict[tuple[str, ...], float]:
    """Return for how many seconds a saga has been walked at most without one walk coming to its end, for the scrape."""
    walked = Saga.objects.filter(finished_at=None, walked_since__isnull=False).order_by("walked_since")
    age = walked.values_list(Now() - F("walked_since"), flat=True).first()
    return {(): age.total_seconds() if age else 0.0}


class OrderStanding(NamedTuple):
    """An order as audits hold it against the rows of others; `lines` as "SKU:quantity", by SKU.

    `refunds`: what was told of its refunds, as "kind:refund_id:amount_minor" with commas, as far back as facts are kept.
    Both are "" where they were not asked for.
    """

    order_id: uuid.UUID
    status: OrderStatus
    version: int
    total: int
    currency: str
    placed_at: datetime
    confirmed_at: datetime | None
    cancel_reason: str
    carrier: str
    tracking_number: str
    lines: str
    refunds: str

    @property
    def is_paid(self) -> bool:
        """Whether its money was taken and nobody has canceled it."""
        return self.status in PAID

    @property
    def was_sent(self) -> bool:
        """Whether its parcel has left."""
        return self.status in SENT


def page_orders(*, after: uuid.UUID, limit: int, lines: bool = True, refunds: bool = True) -> list[OrderStanding]:
    """Return up to `limit` orders in the order of their ids, from the first one past `after`.

    `lines`, `refunds`: whether these are wanted; together they cost more than all the rest.
    """
    rows = _PAGE_ORDERS.run(after=after, limit=limit, lines=lines, refunds=refunds)
    return [OrderStanding(order_id, read_status(OrderStatus, status), *rest) for order_id, status, *rest in rows]


def find_order_fact(*, order_id: uuid.UUID, event_type: str) -> Told:
    """Return how far the last fact of this type is that was told of an order."""
    return find_told("orders", aggregate_id=order_id, event_type=event_type)


def _read_rules() -> Rules:
    return Rules(
        taxes=tuple(rate.rule for rate in TaxRate.objects.filter(active=True)),
        fees=tuple(fee.rule for fee in Fee.objects.filter(active=True)),
    )


# The taxes and fees of the shop that are charged now.
RULES: Remembered[Rules] = Remembered(_read_rules)


def find_untaxed_classes(*, tax_classes: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return those of the tax classes of products that no active rate is for, each with classes that look like it.

    Products of such a class are sold without tax. None is where a service says the taxes, or the shop charges none.
    """
    if settings.TAX_SERVICE:
        return {}
    taxed = set(TaxRate.objects.filter(active=True).values_list("tax_class", flat=True))
    untaxed = sorted(set(tax_classes) - taxed) if taxed else []
    return {name: alike(name, taxed) for name in untaxed}


# No customer has this id.
_NOBODY = uuid.UUID(int=0)


def find_codes(codes: Collection[str], *, customer_id: uuid.UUID | None = None) -> dict[str, DiscountCode]:
    """Return those of these discount codes that customers can use, by code. One read; no read where `codes` is empty.

    `used_before` says of a code that is good for one order of each customer whether this customer has used it.
    """
    if not codes:
        return {}
    who = customer_id or _NOBODY
    uses = CodeUse.objects.filter(code=OuterRef("pk"), customer_id=who, once=True, status__in=OPEN_USES)
    found = DiscountCode.objects.filter(code__in=codes, active=True).annotate(used_before=Exists(uses))
    return {each.code: each for each in found}
