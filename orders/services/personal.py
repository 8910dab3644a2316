"""What orders keeps of a person: who gets an order, and what came with its request."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta

from django.db.models import BooleanField, Exists, ExpressionWrapper, F, OuterRef, Q, TextField, Value
from django.db.models.functions import Cast, Concat, Now

from orders.models import ENDED, ERASED_CONTACT, Adjustment, CodeUse, Contact, ContactDetails, Order, OrderLine, Saga
from orders.services.held_unpaid import NO_KEYS
from orders.services.take_along import take_along
from shop import transactions
from shop.personal.facts import erase_from_facts, still_told
from shop.personal.keepers import (
    BATCH,
    ERASED,
    AgedPage,
    FoundOrder,
    Keeper,
    OrderBook,
    Person,
    Records,
    records_of,
)

_UNFINISHED = Exists(Saga.objects.filter(order_id=OuterRef("pk"), finished_at=None))


def find(person: Person) -> list[FoundOrder]:
    """Return the orders that the person placed, and those placed before `person.before` that go to one of their addresses."""
    found: set[uuid.UUID] = set()
    if person.customer_ids:
        found.update(Order.objects.filter(customer_id__in=person.customer_ids).values_list("pk", flat=True))
    for address in person.addresses:
        # Capitals are PostgreSQL's matter: it has other ones than Python for some letters.
        contacts = Contact.objects.filter(email__iexact=address, erased_at=None)
        if person.before is not None:
            contacts = contacts.filter(order__placed_at__lte=person.before)
        found.update(contacts.values_list("order_id", flat=True))
    rows = Order.objects.filter(pk__in=found).order_by("pk").values_list("pk", "customer_id")
    return [FoundOrder(order_id, customer_id) for order_id, customer_id in rows]


def older(than: timedelta, after: uuid.UUID) -> AgedPage:
    """Return the next page of contacts that are kept, and which of them belong to ended orders placed so long ago."""
    old = ExpressionWrapper(Q(order__placed_at__lt=Now() - than), output_field=BooleanField())
    kept = Contact.objects.filter(erased_at=None, order_id__gt=after).order_by("order_id")
    page = list(kept.values_list("order_id", "order__status", old)[:BATCH])
    order_ids = tuple(order_id for order_id, status, is_old in page if is_old and status in ENDED)
    goes_on = len(page) == BATCH and page[-1][2]
    return AgedPage(order_ids, page[-1][0] if goes_on else None)


def kept_for(customer_ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    """Return those of these customers that have an order whose contact is not erased."""
    kept = Contact.objects.filter(order_id=OuterRef("pk"), erased_at=None)
    rows = Order.objects.filter(Exists(kept), customer_id__in=customer_ids)
    return set(rows.values_list("customer_id", flat=True).distinct())


def export(order_ids: Sequence[uuid.UUID]) -> Records:
    """Return the orders with their lines, who gets them and what else was said with them."""
    return {
        "orders": records_of(Order.objects.filter(pk__in=order_ids).order_by("pk")),
        "contacts": records_of(Contact.objects.filter(order_id__in=order_ids).order_by("pk")),
        "contact_details": records_of(ContactDetails.objects.filter(order_id__in=order_ids).order_by("pk")),
        "lines": records_of(OrderLine.objects.filter(order_id__in=order_ids).order_by("order_id", "position")),
        "adjustments": records_of(Adjustment.objects.filter(order_id__in=order_ids).order_by("order_id", "position")),
    }


def waiting(order_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Return the orders that are under way, or of whose end somebody may not have heard: its email is not written then."""
    under_way = Order.objects.filter(~Q(status__in=ENDED) | _UNFINISHED, pk__in=order_ids)
    found = {order.pk: f"order {order.number} is {order.status}" for order in under_way}
    return {**still_told("orders", order_ids), **found}


def erase(order_ids: Sequence[uuid.UUID], *, whole: bool) -> int:
    """Erase the contacts of ended orders, with what else was said; `whole`: also the key, the hash and the card's token of the request.

    Amounts, lines, statuses and the country stay. The customer's id stays, and means nobody once the account is erased.
    """
    with transactions.transaction("orders"):
        locked = Order.objects.select_for_update().filter(~_UNFINISHED, pk__in=order_ids, status__in=ENDED)
        ended = list(locked.order_by("pk").values_list("pk", flat=True))
        changed = Contact.objects.filter(order_id__in=ended, erased_at=None).update(**ERASED_CONTACT, erased_at=Now())
        changed += ContactDetails.objects.filter(order_id__in=ended).delete()[0]
        orders = Order.objects.filter(pk__in=ended)
        changed += orders.exclude(tracking_number__in=("", ERASED)).update(tracking_number=ERASED)
        changed += orders.exclude(**NO_KEYS).update(**NO_KEYS)
        changed += CodeUse.objects.filter(order_id__in=ended, mailbox_key__isnull=False).update(mailbox_key=None)
        # A link of a mail opens nothing any more.
        changed += orders.filter(link_epoch__isnull=False).update(link_epoch=None)
        changed += erase_from_facts("orders", ended, member="tracking_number")
        if whole:
            # A key is once for a customer, so that what stands in its place is too.
            changed += orders.exclude(fingerprint=ERASED).update(
                fingerprint=ERASED,
                payment_method="",
                idempotency_key=Concat(Value("erased:"), Cast(F("pk"), TextField())),
            )
    return changed


KEEPER = Keeper(context="orders", export=export, waiting=waiting, erase=erase)
BOOK = OrderBook(find=find, older=older, kept_for=kept_for, take_along=take_along)
