"""Use cases of whoever runs the shop: what is sold, for how much, and how much of it arrived or was lost."""

from __future__ import annotations

from uuid import UUID

import structlog
from django.db import IntegrityError

from inventory import rules
from inventory.events import StockReceived, StockWrittenOff
from inventory.models import Product, Stock
from inventory.queries import UnknownProduct
from inventory.rules import Line
from inventory.services import ledger
from inventory.services.ledger import StockLevel
from payments import api as payments
from shop.cards import holds_card_number
from shop.errors import Refusal
from shop.events.publishing import publish
from shop.money import Money
from shop.text import NotOneLine, clean_line

log = structlog.get_logger(__name__)

MAX_NAME = 200
MAX_PRICE_MINOR = 10**12


class InvalidProduct(Refusal):
    """A product's SKU, name or price cannot be."""

    code = "invalid_product"
    title = "The product is not valid"
    http_status = 422


class SkuTaken(Refusal):
    """Another product has this SKU."""

    code = "sku_taken"
    title = "Another product has this SKU"


class StockWouldGoNegative(Refusal):
    """More would be written off than can be sold; what is reserved or sold is not for writing off."""

    code = "stock_would_go_negative"
    title = "There is not that much stock to write off"


def add_product(*, sku: str, name: str, price: Money, active: bool = True) -> UUID:
    """Add a product without stock and return its id. Raises: InvalidProduct, SkuTaken, UnchargeableAmount."""
    if not rules.is_sku(sku):
        raise InvalidProduct("a SKU is 1 to 64 letters, digits, dots, dashes and underscores", sku=sku)
    product = Product(
        sku=sku,
        name=_checked_name(name),
        price_minor=_checked_price(price).minor,
        currency=price.currency,
        active=active,
    )
    try:
        with ledger.unit_of_work():
            product.save(force_insert=True)
            Stock.objects.create(product=product)
    except IntegrityError as error:
        raise SkuTaken(f"{sku} exists already", sku=sku) from error
    log.info("product.added", sku=sku)
    return product.pk


def change_product(*, sku: str, name: str, price: Money, active: bool) -> None:
    """Change what a product is called, what it costs, and whether it is for sale; orders keep what they were told.

    Raises: UnknownProduct, InvalidProduct, UnchargeableAmount.
    """
    name, price = _checked_name(name), _checked_price(price)
    with ledger.unit_of_work():
        changed = Product.objects.filter(sku=sku).update(
            name=name, price_minor=price.minor, currency=price.currency, active=active
        )
        if not changed:
            raise UnknownProduct(f"there is no product {sku}", skus=(sku,))
    log.info("product.changed", sku=sku, price_minor=price.minor, currency=price.currency, active=active)


def receive_stock(*, sku: str, quantity: int, reference: str) -> StockLevel:
    """Add units that arrived, or that were written off by mistake. Not idempotent: each call is a delivery.

    Raises: UnknownProduct, InvalidQuantity, InventoryUnavailable.
    """
    line = Line(sku, rules.checked_quantity(quantity))
    with ledger.unit_of_work() as cursor:
        before = ledger.lock_one(cursor, sku)
        after = ledger.move(cursor, ledger.RECEIVE, [(None, line)], reference=reference[:200])[sku]
        publish(
            StockReceived(product_id=before.product_id, sku=sku, quantity=quantity),
            aggregate_id=before.product_id,
            aggregate_version=after.version,
        )
    log.info("stock.received", sku=sku, quantity=quantity)
    return after


def write_off_stock(*, sku: str, quantity: int, reason: str) -> StockLevel:
    """Take units off that are lost, broken, or were received by mistake. Not idempotent.

    Raises: StockWouldGoNegative(sku, wanted, available), UnknownProduct, InvalidQuantity, InventoryUnavailable.
    """
    line = Line(sku, rules.checked_quantity(quantity))
    with ledger.unit_of_work() as cursor:
        before = ledger.lock_one(cursor, sku)
        if rules.shortages([line], {sku: before.available}):
            raise StockWouldGoNegative(
                f"{quantity} of {sku} cannot be written off: {before.available} can",
                sku=sku,
                wanted=quantity,
                available=before.available,
            )
        after = ledger.move(cursor, ledger.WRITE_OFF, [(None, line)], reference=reason[:200])[sku]
        publish(
            StockWrittenOff(product_id=before.product_id, sku=sku, quantity=quantity),
            aggregate_id=before.product_id,
            aggregate_version=after.version,
        )
        ledger.tell_if_low(before, after)
    log.info("stock.written_off", sku=sku, quantity=quantity)
    return after


def _checked_name(name: str) -> str:
    """Return a name as it is kept: it goes into mails. Raises: InvalidProduct."""
    try:
        cleaned = clean_line(name)
    except NotOneLine as error:
        raise InvalidProduct("a name is one line of text without control characters") from error
    if not 1 <= len(cleaned) <= MAX_NAME:
        raise InvalidProduct(f"a name has 1 to {MAX_NAME} characters")
    if holds_card_number(cleaned):
        raise InvalidProduct("a name holds no card number")
    return cleaned


def _checked_price(price: Money) -> Money:
    if not 0 <= price.minor <= MAX_PRICE_MINOR:
        raise InvalidProduct(f"a price is 0 to {MAX_PRICE_MINOR} minor units", price_minor=price.minor)
    payments.check_chargeable(amount=price)
    return price
