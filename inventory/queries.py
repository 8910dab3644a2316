"""Inventory's reads. What of it leaves the context is a frozen dataclass."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.contrib.postgres.search import SearchQuery
from django.db import InterfaceError, OperationalError
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce, Now
from django.db.models.lookups import GreaterThan

from inventory.catalogue import words_of
from inventory.models import (
    NAME_KEY,
    OPEN,
    PRICE_KEY,
    WORDS,
    Product,
    Reservation,
    ReservationLine,
    ReservationStatus,
    Stock,
    StockMovement,
)
from inventory.rules import Line, Named, is_sku
from shop.counting import shown_count
from shop.errors import Busy, Fault, NotFound, Refusal
from shop.events.past import facts_about
from shop.money import Money
from shop.resilience.contention import is_contention, lacks_connection
from shop.statements import Statement
from shop.states import read_status
from shop.story.timeline import Happening, Story, Upcoming, told_by
from shop.text import alike

# As `p.active AND tstzrange(p.active_from, p.active_to) @> now()` says it in inventory/sql.
FOR_SALE = (
    Q(active=True)
    & (Q(active_from__isnull=True) | Q(active_from__lte=Now()))
    & (Q(active_to__isnull=True) | Q(active_to__gt=Now()))
)

MAX_VARIANTS = 100
# Of a shop's names, so many are compared with one that is unknown.
_COMPARED = 2000

_OFFERS = Statement("inventory", "get_offers")
_PAGE = Statement("inventory", "page_reservations")


class InventoryUnavailable(Fault):
    """Inventory's database did not answer in time. Whether a write happened is unknown: ask again, it is idempotent."""

    code = "inventory_unavailable"
    title = "Inventory does not answer; try again"


class InventoryBusy(Busy, InventoryUnavailable):
    """Others had the stock locked for too long: nothing was done, and nothing is broken."""

    code = "inventory_busy"
    title = "This stock is in great demand; try again"


class UnknownProduct(Refusal):
    """Some SKUs are not for sale: they do not exist, are inactive, or their time of sale has not come or is over.

    422 where no order was recorded; 409 where it canceled the order that facts.order_id names.
    """

    code = "unknown_product"
    title = "The product is not for sale"
    http_status = 422
    fact_types = {"skus": list[str]}


class ReservationNotFound(NotFound):
    """No reservation was ever asked for this order."""

    code = "reservation_not_found"
    title = "The order has no reservation"
    fact_types = {"order_id": UUID}


@dataclass(frozen=True)
class ProductOffer:
    """What a shopper is offered: `available` counts the stock of holds that have expired.

    `weight_grams` is of one unit. `tax_class` and `category` are "" where the shop names none.
    """

    sku: str
    name: str
    price: Money
    available: int
    weight_grams: int = 0
    tax_class: str = ""
    category: str = ""


@dataclass(frozen=True)
class ReservationState:
    """One order's reservation; a tombstone has no lines."""

    order_id: UUID
    status: ReservationStatus
    expires_at: datetime | None
    lines: tuple[Line, ...]


@contextmanager
def reachable(*, locks_stock: bool = False) -> Iterator[None]:
    """Turn a database that is away or slow into InventoryUnavailable, and a wait for others into Busy.

    Where this locks stock, a wait for a lock is InventoryBusy. A wait for a connection says nothing about the stock.
    """
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        if not is_contention(error):
            raise InventoryUnavailable from error
        raise (InventoryBusy if locks_stock and not lacks_connection(error) else Busy) from error


def products_for_sale() -> QuerySet[Product]:
    """Return the products for sale now, each with `free`: what can be reserved, expired holds included."""
    expired = (
        ReservationLine.objects.filter(
            sku=OuterRef("sku"), reservation__status=ReservationStatus.HELD, reservation__expires_at__lte=Now()
        )
        .order_by()
        .values("sku")
        .annotate(units=Sum("quantity"))
        .values("units")
    )
    # Not a join: of a list sorted by index only the rows of the page ask for their stock.
    available = Stock.objects.filter(pk=OuterRef("sku")).values("available")
    return Product.objects.filter(FOR_SALE).annotate(
        free=Coalesce(Subquery(available), 0) + Coalesce(Subquery(expired), 0)
    )


def is_for_sale(sku: str) -> bool:
    """Return whether a product of this SKU can be ordered now. Raises: InventoryUnavailable, Busy."""
    with reachable():
        return is_sku(sku) and Product.objects.filter(FOR_SALE, sku=sku).exists()


# How a list is sorted: by what, which is unique, and whether down.
SORTS: dict[str, tuple[Combinable, str]] = {
    "sku": (F("sku"), ""),
    "name": (NAME_KEY, ""),
    "-name": (NAME_KEY, "-"),
    "price": (PRICE_KEY, ""),
    "-price": (PRICE_KEY, "-"),
    "newest": (F("pk"), "-"),  # its order is the order of making
}


def find_products(
    *, search: str = "", category: str = "", in_stock: bool = False, sort: str = "sku"
) -> QuerySet[Product]:
    """Return the products for sale that fit, each with `free` and its place in the order, `sort_key`.

    A product fits a search if some word of it begins with each word searched for. See Note [Words of a product].
    """
    found = products_for_sale().annotate(sort_key=SORTS[sort][0])
    if search:
        words = words_of(search)
        query = " & ".join(f"{word}:*" for word in words)
        asked = SearchQuery(query, config="simple", search_type="raw")
        found = found.alias(words=WORDS).filter(words=asked) if words else found.none()
    if category:
        found = found.filter(category=category)
    return found.filter(GreaterThan(F("free"), 0)) if in_stock else found


def variants_of(product: Product) -> QuerySet[Product]:
    """Return the products for sale of a product's group, itself included, as they were made; none without a group."""
    if not product.group:
        return Product.objects.none()
    return products_for_sale().filter(group=product.group).order_by("pk")[:MAX_VARIANTS]


class CategoryCount(NamedTuple):
    """A category, and how many products of it are for sale."""

    name: str
    products: int


def list_categories() -> list[CategoryCount]:
    """Return the categories of which something is for sale, by name."""
    counted = Product.objects.filter(FOR_SALE).exclude(category="").values_list("category")
    return [CategoryCount(*row) for row in counted.annotate(products=Count("pk")).order_by("category")]


def get_offers(*, skus: Sequence[str]) -> dict[str, ProductOffer]:
    """Return the offer of each SKU. Raises: UnknownProduct(skus), InventoryUnavailable, Busy."""
    with reachable():
        rows = _OFFERS.run(skus=",".join({sku for sku in skus if is_sku(sku)}))
    offers = {
        sku: ProductOffer(sku, name, Money(price_minor, currency), available, weight_grams, tax_class, category)
        for sku, name, price_minor, currency, weight_grams, tax_class, category, available in rows
    }
    if unknown := tuple(sorted(set(skus) - offers.keys())):
        raise UnknownProduct(f"not for sale: {', '.join(unknown)}", skus=unknown)
    return offers


def find_unknown(*, member: Named, names: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return those of the names that no product has, for sale or not, each with up to three names that look like it.

    In a shop without products nothing is unknown: rules may be entered first. SKUs are compared with those that begin with
    the same two signs. Raises: InventoryUnavailable, Busy.
    """
    wanted = {name for name in names if name}
    with reachable():
        known = set(Product.objects.filter(**{f"{member}__in": wanted}).values_list(member, flat=True).distinct())
        unknown = sorted(wanted - known)
        if not unknown or not Product.objects.exists():
            return {}
        return {name: alike(name, _names_like(member, name)) for name in unknown}


def _names_like(member: Named, name: str) -> list[str]:
    found = Product.objects.exclude(**{str(member): ""})
    if member == Named.SKU:
        found = found.filter(sku__istartswith=name[:2])
    return list(found.order_by(member).values_list(member, flat=True).distinct()[:_COMPARED])


def get_reservation(*, order_id: UUID) -> ReservationState | None:
    """Return the reservation of an order, None where none was ever asked for. Raises: InventoryUnavailable, Busy."""
    with reachable():
        found = Reservation.objects.filter(pk=order_id).prefetch_related("lines").first()
    return _state(found) if found else None


def count_reservations() -> dict[tuple[str, ...], float]:
    """Return how many reservations keep stock that is not sold yet, by status, for the scrape of metrics."""
    kept = Reservation.objects.filter(status__in=OPEN)
    found = {row["status"]: row["count"] for row in kept.values("status").annotate(count=Count("pk"))}
    return {(str(status),): found.get(status, 0) for status in OPEN}


class ReservationStanding(NamedTuple):
    """One order's reservation as the audit holds it against the order; `lines` as "SKU:quantity", by SKU."""

    order_id: UUID
    status: ReservationStatus
    lines: str


def page_reservations(*, after: UUID, limit: int) -> list[ReservationStanding]:
    """Return up to `limit` reservations in the order of their ids, from the first one past `after`."""
    with reachable():
        rows = _PAGE.run(after=after, limit=limit)
    return [
        ReservationStanding(order_id, read_status(ReservationStatus, status), lines) for order_id, status, lines in rows
    ]


def _state(row: Reservation) -> ReservationState:
    lines = tuple(Line(line.sku, line.quantity) for line in row.lines.all())
    return ReservationState(row.order_id, read_status(ReservationStatus, row.status), row.expires_at, lines)


def stock_figures() -> dict[str, object]:
    """Return the figures of the staff's dashboard."""
    holds = Reservation.objects.filter(status__in=OPEN)
    return {
        "products for sale": Product.objects.filter(FOR_SALE).count(),
        "low on stock": Product.objects.filter(FOR_SALE, stock__available__lt=settings.STOCK_LOW_THRESHOLD).count(),
        "open reservations": shown_count(holds),
    }


_WORDS = {
    "stock.reserved": "the stock was reserved",
    "stock.payment_began": "the payment began: the stock does not expire any more",
    "stock.committed": "the stock was counted as sold",
    "stock.released": "the stock was released",
    "stock.expired": "the hold expired unpaid: its stock is free",
    "stock.returned": "the stock was taken back",
    "stock.short": "there was not enough stock",
}


def tell_story(order_id: UUID) -> Story:
    """Tell what happened to an order's stock, and what will happen automatically."""
    found = get_reservation(order_id=order_id)
    if found is None:
        return Story()
    happened = tuple(
        told_by(fact, context="inventory", what=_WORDS.get(fact.type, fact.type))
        for fact in facts_about("inventory", [order_id])
    )
    upcoming = (
        (Upcoming("inventory", "the hold expires and its stock is free again", found.expires_at),)
        if found.status == ReservationStatus.HELD
        else ()
    )
    return Story(happened or _from_ledger(order_id), upcoming)


def _from_ledger(order_id: UUID) -> tuple[Happening, ...]:
    """Tell it from the ledger: a release that kept no history threw the facts away."""
    return tuple(
        Happening(
            movement.at,
            "inventory",
            _WORDS.get(f"stock.{movement.kind.lower()}", movement.kind),
            {"sku": movement.sku, "available": f"{movement.available_delta:+d}"},
        )
        for movement in StockMovement.objects.filter(order_id=order_id).order_by("id")
    )
