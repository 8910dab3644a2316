"""The figures of a receipt: a pure function of an order and its payment."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from orders.pricing.priced import Adjustment, AdjustmentKind
from orders.queries import Address, OrderState
from payments import api as payments
from shop.errors import Refusal
from shop.money import Money


class ReceiptNotReady(Refusal):
    """The order is not confirmed: nothing was sold yet, or nothing ever was."""

    code = "receipt_not_ready"
    title = "There is a receipt once the order is confirmed"
    http_status = 409
    fact_types = {"order_id": uuid.UUID, "order_status": str}


@dataclass(frozen=True, kw_only=True)
class Seller:
    """Who sold it, as the settings say."""

    name: str
    address: tuple[str, ...] = ()
    vat_number: str = ""


@dataclass(frozen=True, kw_only=True)
class ReceiptLine:
    """One product as it was sold."""

    position: int
    name: str
    sku: str
    quantity: int
    unit_price: Money
    amount: Money


@dataclass(frozen=True)
class Extra:
    """An amount beside the lines that the total contains; a discount is negative."""

    label: str
    rate: Decimal | None
    amount: Money


@dataclass(frozen=True, kw_only=True)
class TaxLine:
    """The tax of one rate. `net`: what it is of, without any tax. `reversed_charge`: the customer owes it, not the shop."""

    label: str
    rate: Decimal | None
    net: Money
    tax: Money
    reversed_charge: bool = False


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What a receipt says. total = lines + extras = net + taxes. `untaxed`: the part of `net` that no tax is on."""

    number: str
    placed_at: datetime
    confirmed_at: datetime
    locale: str
    seller: Seller
    bill_to: Address
    deliver_to: Address
    company: str
    vat_number: str
    erased: bool
    lines: tuple[ReceiptLine, ...]
    subtotal: Money
    extras: tuple[Extra, ...]
    total: Money
    taxes: tuple[TaxLine, ...]
    untaxed: Money
    paid: Money
    refunded: Money
    paid_back_otherwise: Money
    lost: Money

    @property
    def net(self) -> Money:
        """What it costs without the taxes."""
        return self.total - sum((line.tax for line in self.taxes), Money.zero(self.total.currency))

    @property
    def reversed_charge(self) -> bool:
        """Whether the customer owes a tax in place of the shop."""
        return any(line.reversed_charge for line in self.taxes)

    @property
    def went_back(self) -> Money:
        """What the customer has got back, by whichever way."""
        return self.refunded + self.paid_back_otherwise + self.lost

    @property
    def kept(self) -> Money:
        """What the customer has paid in the end."""
        return self.paid - self.went_back


def make_receipt(*, order: OrderState, payment: payments.PaymentState | None, seller: Seller) -> Receipt:
    """Return the receipt of a confirmed order. Raises: ReceiptNotReady."""
    if order.confirmed_at is None:
        raise ReceiptNotReady(order_id=str(order.order_id), order_status=str(order.status))
    nothing = Money.zero(order.total.currency)
    lines = tuple(
        ReceiptLine(
            position=position,
            name=line.name,
            sku=line.sku,
            quantity=line.quantity,
            unit_price=line.unit_price,
            amount=line.line_total,
        )
        for position, line in enumerate(order.lines, start=1)
    )
    taxes, untaxed = _by_rate(lines, order.adjustments, nothing)
    known = payment if payment is not None and payment.has_currency else None
    return Receipt(
        number=order.number,
        placed_at=order.placed_at,
        confirmed_at=order.confirmed_at,
        locale=order.locale,
        seller=seller,
        bill_to=order.billing_address or order.shipping_address,
        deliver_to=order.shipping_address,
        company=order.company,
        vat_number=order.vat_number,
        erased=order.erased,
        lines=lines,
        subtotal=order.subtotal,
        extras=tuple(Extra(each.label, each.rate, each.amount) for each in order.adjustments if _is_shown(each)),
        total=order.total,
        taxes=taxes,
        untaxed=untaxed,
        paid=known.captured if known else nothing,
        refunded=known.refunded if known else nothing,
        paid_back_otherwise=known.settled if known else nothing,
        lost=known.lost if known else nothing,
    )


def _is_shown(adjustment: Adjustment) -> bool:
    """Return whether the total contains it beside the lines; a tax that is not charged only stands among the taxes."""
    return not adjustment.included and not (adjustment.is_reversed and not adjustment.amount.minor)


def _by_rate(
    lines: Sequence[ReceiptLine], adjustments: Sequence[Adjustment], nothing: Money
) -> tuple[tuple[TaxLine, ...], Money]:
    """Return the taxes by label and rate, each with the net amount of the lines that it is on, and what has no tax.

    A line's net amount is its price with its part of everything but taxes; the taxes that prices contain are taken out.
    """
    nets = [line.amount.minor for line in lines]
    grouped: dict[tuple[str, Decimal | None], list[Adjustment]] = {}
    for each in adjustments:
        is_tax = each.kind == AdjustmentKind.TAX
        if not is_tax or each.is_reversed:
            nets = [net + share for net, share in zip(nets, each.shares, strict=True)]
        elif each.included:
            nets = [net - share for net, share in zip(nets, each.shares, strict=True)]
        if is_tax:
            grouped.setdefault((each.label, each.rate), []).append(each)
    taxed = {
        position for found in grouped.values() for each in found for position, share in enumerate(each.shares) if share
    }
    everything_else = set(range(len(lines))) - taxed
    found_lines = []
    for (label, rate), found in grouped.items():
        on = {position for each in found for position, share in enumerate(each.shares) if share}
        reversed_charge = found[0].is_reversed
        if not on and reversed_charge:
            # Where prices are without tax, one that is not charged leaves no trace in the shares.
            on, everything_else = everything_else, set()
        tax = 0 if reversed_charge else sum(each.amount.minor for each in found)
        found_lines.append(
            TaxLine(
                label=label,
                rate=rate,
                net=nothing + Money(sum(nets[position] for position in on), nothing.currency),
                tax=Money(tax, nothing.currency),
                reversed_charge=reversed_charge,
            )
        )
    return tuple(found_lines), Money(sum(nets[position] for position in everything_else), nothing.currency)
