"""Quotes: what an order would cost, told to whoever asks. Nothing is reserved or written.

The id of a quote is a signed text that holds what was quoted (ADR 38), so that any process can read it later without a
row, and nobody else can make one. It holds no personal data.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.core import signing

from inventory import api as inventory
from orders.gateways import inventory_breaker
from orders.pricing.basket import Destination
from orders.services.price_order import PricedOrder, price_order
from shop.clock import now
from shop.errors import Refusal
from shop.money import Money

_SALT = "orders.quote"
# Of the texts that this release writes. One that a later release cannot read is not a quote for it.
_VERSION = 1


class QuoteNotValid(Refusal):
    """The text is not the id of a quote that this shop made."""

    code = "quote_not_valid"
    title = "This is not a quote of this shop; ask for a new one"
    http_status = 422


@dataclass(frozen=True, kw_only=True)
class Quote:
    """What was quoted: an order of these lines, (sku, quantity), shipped this way, costs `total` until `valid_until`.

    `shipping_option` is the one that was priced, also where its customer chose none; "" where the shop charges none.
    `codes` are those whose discount is in the total. `for_business`: a VAT number was given, which is not in it.
    """

    lines: tuple[tuple[str, int], ...]
    shipping_option: str
    codes: tuple[str, ...]
    for_business: bool
    total: Money
    valid_until: datetime

    @property
    def is_over(self) -> bool:
        """Whether its time is over: an order is then priced anew."""
        return now() >= self.valid_until


@dataclass(frozen=True, kw_only=True)
class QuotedOrder:
    """A quote with its id, and everything that its customer is shown of it."""

    id: str
    quote: Quote
    priced: PricedOrder


def quote_order(
    *,
    lines: Sequence[tuple[str, int]],
    destination: Destination,
    shipping_option: str = "",
    codes: Sequence[str] = (),
    vat_number: str = "",
    customer_id: uuid.UUID | None = None,
) -> QuotedOrder:
    """Return what these lines would cost at that destination. `priced.unavailable` names what is not available of them.

    The id holds all lines as they were wanted, so that nobody orders less by it than they asked for.
    Raises: as `price_order`, and the Faults of inventory.
    """
    priced = price_order(
        lines=lines,
        offers=_offers_of({sku for sku, _quantity in lines}),
        destination=destination,
        shipping_option=shipping_option,
        codes=codes,
        vat_number=vat_number,
        customer_id=customer_id,
    )
    quote = Quote(
        lines=tuple(lines),
        shipping_option="" if priced.way is None else priced.way.code,
        codes=tuple(code.code for code in priced.codes),
        for_business=bool(vat_number),
        total=priced.total,
        # Whole seconds, as the id keeps it.
        valid_until=now().replace(microsecond=0) + timedelta(seconds=settings.QUOTE_VALID_SECONDS),
    )
    return QuotedOrder(id=_sign(quote), quote=quote, priced=priced)


def read_quote(quote_id: str) -> Quote:
    """Return what was quoted under an id, also where its time is over. Raises: QuoteNotValid."""
    try:
        members: Any = signing.loads(quote_id, salt=_SALT)
        version, lines, shipping_option, codes, for_business, total, currency, until = members
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise QuoteNotValid from error
    if version != _VERSION:
        raise QuoteNotValid
    return Quote(
        lines=tuple((sku, quantity) for sku, quantity in lines),
        shipping_option=shipping_option,
        codes=tuple(codes),
        for_business=for_business,
        total=Money(total, currency),
        valid_until=datetime.fromtimestamp(until, UTC),
    )


def _sign(quote: Quote) -> str:
    members = [
        _VERSION,
        quote.lines,
        quote.shipping_option,
        quote.codes,
        quote.for_business,
        quote.total.minor,
        quote.total.currency,
        int(quote.valid_until.timestamp()),
    ]
    return signing.dumps(members, salt=_SALT, compress=True)


def _offers_of(skus: set[str]) -> dict[str, inventory.ProductOffer]:
    """Return the offers of those that are for sale; only where some are not, inventory is asked once more."""
    try:
        return inventory_breaker.call(inventory.get_offers, skus=sorted(skus))
    except inventory.UnknownProduct as refusal:
        known = skus.difference(refusal.skus)
        return inventory_breaker.call(inventory.get_offers, skus=sorted(known)) if known else {}
