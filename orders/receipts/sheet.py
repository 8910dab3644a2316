"""A receipt in words: every amount and date as its customer reads them, for whatever is set from it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

import msgspec
from babel.dates import format_date
from babel.numbers import format_decimal

from orders.queries import Address
from orders.receipts.figures import Receipt
from shop.countries import country_name
from shop.locales import babel_locale
from shop.money import Money

NO_BREAK_SPACE = "\u00a0"


@dataclass(frozen=True)
class Party:
    """Who sold, who pays or where the parcel goes, line by line."""

    heading: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Line:
    """One product as it was sold."""

    number: str
    name: str
    sku: str
    quantity: str
    unit_price: str
    amount: str


@dataclass(frozen=True)
class Sum:
    """An amount with what it is; `stands_out` where the eye is to find it."""

    label: str
    amount: str
    stands_out: bool = False


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """What stands on a receipt, in the order in which it is read."""

    title: str
    seller: Party
    facts: tuple[tuple[str, str], ...]
    parties: tuple[Party, ...]
    lines: tuple[Line, ...]
    sums: tuple[Sum, ...]
    # Of each tax its name, the net amount that it is on, and the amount.
    taxes: tuple[tuple[str, str, str], ...]
    paid: tuple[Sum, ...]
    notes: tuple[str, ...]

    @property
    def tag(self) -> str:
        """A digest of all that it says."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:32]


LINE_HEADINGS = ("No.", "Article", "Quantity", "Price", "Amount")
TAX_HEADINGS = ("Tax", "Net amount", "Tax amount")
REVERSE_CHARGE = "Reverse charge: the recipient of the goods owes the tax."
NOT_AN_INVOICE = "This receipt is not a tax invoice."
ERASED = "The personal data of this order was erased."


def write_sheet(receipt: Receipt, *, tag: str | None = None) -> Sheet:
    """Return a receipt in words, in English; amounts and dates as the order's locale writes them, or that of `tag`."""
    locale = babel_locale(receipt.locale if tag is None else tag)
    money = partial(_amount, locale=locale)
    date = partial(format_date, format="long", locale=locale)
    return Sheet(
        title=f"Receipt {receipt.number}",
        seller=Party(
            receipt.seller.name,
            (
                *receipt.seller.address,
                *([f"VAT number {receipt.seller.vat_number}"] if receipt.seller.vat_number else []),
            ),
        ),
        facts=(
            ("Ordered on", date(receipt.placed_at)),
            ("Confirmed on", date(receipt.confirmed_at)),
        ),
        parties=tuple(_parties(receipt)),
        lines=tuple(
            Line(
                str(line.position),
                line.name,
                line.sku,
                format_decimal(line.quantity, locale=locale),
                money(line.unit_price),
                money(line.amount),
            )
            for line in receipt.lines
        ),
        sums=(
            *([Sum("Subtotal", money(receipt.subtotal))] if receipt.extras else []),
            *(Sum(_with_rate(extra.label, extra.rate, locale), money(extra.amount)) for extra in receipt.extras),
            Sum("Total", money(receipt.total), stands_out=True),
        ),
        taxes=tuple(_taxes(receipt, locale)),
        paid=tuple(_paid(receipt, locale)),
        notes=(
            *([REVERSE_CHARGE] if receipt.reversed_charge else []),
            *([ERASED] if receipt.erased else []),
            NOT_AN_INVOICE,
        ),
    )


def _amount(amount: Money, *, locale: str) -> str:
    return amount.localized(locale=locale)


def _parties(receipt: Receipt) -> Iterator[Party]:
    if receipt.erased:
        yield Party("Delivered to", (ERASED, country_name(receipt.deliver_to.country)))
        return
    billed, delivered = _address(receipt.bill_to), _address(receipt.deliver_to)
    business = [
        *([receipt.company] if receipt.company else []),
        *([f"VAT number {receipt.vat_number}"] if receipt.vat_number else []),
    ]
    if billed == delivered:
        yield Party("Billed and delivered to", (*business, *delivered))
        return
    yield Party("Billed to", (*business, *billed))
    yield Party("Delivered to", delivered)


def _address(address: Address) -> tuple[str, ...]:
    lines = (
        address.name,
        address.line1,
        address.line2,
        " ".join(part for part in (address.postal_code, address.city) if part),
        address.region,
        country_name(address.country),
    )
    return tuple(line for line in lines if line)


def _with_rate(label: str, rate: Decimal | None, locale: str) -> str:
    if rate is None or "%" in label:
        return label
    return f"{label} {format_decimal(rate.normalize(), locale=locale, decimal_quantization=False)}{NO_BREAK_SPACE}%"


def _taxes(receipt: Receipt, locale: str) -> Iterator[tuple[str, str, str]]:
    money = partial(_amount, locale=locale)
    for line in receipt.taxes:
        yield _with_rate(line.label, line.rate, locale), money(line.net), money(line.tax)
    if receipt.taxes and receipt.untaxed.minor:
        yield "No tax", money(receipt.untaxed), money(Money.zero(receipt.untaxed.currency))


def _paid(receipt: Receipt, locale: str) -> Iterator[Sum]:
    money = partial(_amount, locale=locale)
    yield Sum("Paid", money(receipt.paid))
    back = (
        ("Refunded", receipt.refunded),
        ("Paid back another way", receipt.paid_back_otherwise),
        ("Returned by your bank", receipt.lost),
    )
    for label, amount in back:
        if amount.minor:
            yield Sum(label, money(amount * -1))
    if receipt.went_back.minor:
        yield Sum("Paid in the end", money(receipt.kept), stands_out=True)
