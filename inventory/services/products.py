"""Use cases of whoever runs the shop: what is sold, for how much, and how much of it arrived or was lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any
from uuid import UUID

import structlog
from django.db import IntegrityError

from inventory import rules
from inventory.catalogue import MAX_NAME, Details, InvalidProduct, checked_details, checked_line
from inventory.events import StockReceived, StockWrittenOff
from inventory.models import Product, Stock
from inventory.queries import UnknownProduct
from inventory.rules import Line
from inventory.services import ledger
from inventory.services.ledger import StockLevel
from payments import api as payments
from shop.errors import Refusal
from shop.events.publishing import publish
from shop.money import Money

log = structlog.get_logger(__name__)

MAX_PRICE_MINOR = 10**12


class SkuTaken(Refusal):
    """Another product has this SKU."""

    code = "sku_taken"
    title = "Another product has this SKU"


class VariantTaken(Refusal):
    """Another product of the same group has the same options, so nobody could choose between them."""

    code = "variant_taken"
    title = "Another product of the group has these options"


class StockWouldGoNegative(Refusal):
    """More would be written off than can be sold; what is reserved or sold is not for writing off."""

    code = "stock_would_go_negative"
    title = "There is not that much stock to write off"


def add_product(*, sku: str, name: str, price: Money, active: bool = True, details: Details | None = None) -> UUID:
    """Add a product without stock and return its id.

    Raises: InvalidProduct(field), SkuTaken, VariantTaken, UnchargeableAmount.
    """
    if not rules.is_sku(sku):
        raise InvalidProduct("a SKU is 1 to 64 letters, digits, dots, dashes and underscores", sku=sku, field="sku")
    product = Product(sku=sku, **checked_columns(name, price, active, details or Details()))
    with _told_what_is_taken(sku), ledger.unit_of_work():
        product.save(force_insert=True)
        Stock.objects.create(product=product)
    log.info("product.added", sku=sku)
    return product.pk


def change_product(*, sku: str, name: str, price: Money, active: bool, details: Details | None = None) -> None:
    """Change what a product is called, what it costs, whether it is for sale and, where given, all of its details.

    Orders keep what they were told. Raises: UnknownProduct, InvalidProduct(field), VariantTaken, UnchargeableAmount.
    """
    columns = checked_columns(name, price, active, details)
    with _told_what_is_taken(sku), ledger.unit_of_work():
        if not Product.objects.filter(sku=sku).update(**columns):
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


def checked_columns(name: str, price: Money, active: bool, details: Details | None) -> dict[str, Any]:
    """Return what is written of a product. Raises: InvalidProduct(field), UnchargeableAmount."""
    columns: dict[str, Any] = {
        "name": checked_line("name", name, most=MAX_NAME),
        "price_minor": _checked_price(price).minor,
        "currency": price.currency,
        "active": active,
    }
    return columns if details is None else columns | asdict(checked_details(details))


@contextmanager
def _told_what_is_taken(sku: str) -> Iterator[None]:
    """Turn what the database refuses as not unique into SkuTaken or VariantTaken."""
    try:
        yield
    except IntegrityError as error:
        if "inventory_product_variant" in str(error):
            raise VariantTaken(f"another product of the group of {sku} has these options", sku=sku) from error
        raise SkuTaken(f"{sku} exists already", sku=sku) from error


def _checked_price(price: Money) -> Money:
    if not 0 <= price.minor <= MAX_PRICE_MINOR:
        raise InvalidProduct(f"a price is 0 to {MAX_PRICE_MINOR} minor units", price_minor=price.minor, field="price")
    payments.check_chargeable(amount=price)
    return price
