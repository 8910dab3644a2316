"""Persons who are erased while their orders are under way, and what must then be gone; and contacts that are kept too long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core import mail
from django.db import connections, router
from django.test import override_settings

from orders.models import Contact, Order, Saga
from payments.models import Payment, Refund
from shipping.models import Shipment
from shop import tasks
from shop.models import Erasure
from shop.personal import erasure
from shop.personal.accounts import person_of
from shop.personal.keepers import ERASED, ERASED_DOMAIN
from tests.proof.simulator.clients import Placed, canary_of, email_of
from tests.proof.simulator.offer import Action, Offer

ENDED = ("DELIVERED", "CANCELED", "REFUNDED")
# In days: a little longer than facts are told.
SHORT_RETENTION = 0.004


def erasures(world: Any, known: list[Placed]) -> Iterator[Offer]:
    """Offer to erase a customer who has an order, and to let the retention of contacts end."""
    # What becomes of guests who are erased is told in tests/proof/security/test_guests.py.
    may_be = [placed.who for placed in known if placed.who not in world.people.erased and not world.has_codes]
    if may_be:
        yield 1, Action(lambda: _erase(world, may_be[0]))
    if any(placed.status in ENDED for placed in known):
        yield 1, Action(lambda: _retention(world))


def _erase(world: Any, who: str) -> str:
    world.happens("a person is erased")
    by_address = world.choices.chance(50)
    world.say(f"{who} is to be erased, named by {'address' if by_address else 'account'}")
    if any(placed.status not in ENDED for placed in world.known()[0] if placed.who == who):
        world.happens("a person is erased whose order is under way")
    user_id = world.people.id_of(who)
    world.people.erase(who)
    erasure.ask(person_of(email=email_of(who)) if by_address else person_of(user_id=user_id), asked_by="the simulator")
    return "written down"


def ask_again(world: Any) -> None:
    """Have whoever asked for an erasure that was never written down ask again."""
    for who in world.people.erased:
        if not Erasure.objects.filter(user_id=world.people.id_of(who)).exists():
            world.lines.append(f"{who} is to be erased, asked for again")
            erasure.ask(person_of(user_id=world.people.id_of(who)), asked_by="the simulator")


def _retention(world: Any) -> str:
    world.happens("contacts past their retention are erased")
    world.say("the retention of contacts ends")
    with override_settings(CONTACT_RETENTION_DAYS=SHORT_RETENTION):
        return f"{tasks.erase_aged_contacts()} rows"


def erased_too_early(name_of: Any) -> Iterator[str]:
    """Find whose contact is gone although the order still needs it."""
    gone = Contact.objects.exclude(erased_at=None).values_list("order_id", flat=True)
    if not (order_ids := list(gone)):
        return
    for order_id, status in (
        Order.objects.filter(pk__in=order_ids).exclude(status__in=ENDED).values_list("pk", "status")
    ):
        yield f"{name_of(order_id)} is {status}, and it is erased to whom it goes"
    for order_id in Saga.objects.filter(order_id__in=order_ids, finished_at=None).values_list("order_id", flat=True):
        yield f"{name_of(order_id)} has an open saga, and it is erased to whom it goes"


def left_of_the_erased(world: Any) -> Iterator[str]:
    """Find, at rest, what is left of persons who were to be erased, and what went out to somebody who is."""
    for row in Erasure.objects.filter(finished_at=None):
        yield f"I10 an erasure is open in the end, waiting for {row.waiting_for}"
    for letter in mail.outbox:
        if any(ERASED_DOMAIN in address for address in letter.to):
            yield f"a mail went to somebody who is erased: {letter.subject}"
    erased_at = dict(Contact.objects.exclude(erased_at=None).values_list("order_id", "erased_at"))
    for order_id, booked_at in Shipment.objects.exclude(booked_at=None).values_list("order_id", "booked_at"):
        if order_id in erased_at and booked_at > erased_at[order_id]:
            yield f"the parcel of {world.name_of(order_id)} was booked after it was erased to whom it goes"
    for who in world.people.erased:
        yield from _columns_left(world, who)
        yield from (f"{table} still names {who}, who is erased" for table in _tables_that_name(world, who))


def _columns_left(world: Any, who: str) -> Iterator[str]:
    orders = Order.objects.filter(customer_id=world.people.id_of(who))
    ids = list(orders.values_list("pk", flat=True))
    left = {
        "a card's token": orders.exclude(payment_method="").exists(),
        "the hash of a request": orders.exclude(fingerprint=ERASED).exists(),
        "a tracking number of an order": orders.exclude(tracking_number__in=("", ERASED)).exists(),
        "a contact": Contact.objects.filter(order_id__in=ids, erased_at=None).exists(),
        "a payment's token": Payment.objects.filter(pk__in=ids).exclude(payment_method="").exists(),
        "the reason of a refund": Refund.objects.filter(payment_id__in=ids).exclude(reason="").exists(),
        "a parcel's number": Shipment.objects.filter(order_id__in=ids)
        .exclude(tracking_number__in=("", ERASED))
        .exists(),
        "a parcel's label": Shipment.objects.filter(order_id__in=ids).exclude(label_url="").exists(),
    }
    yield from (f"{what} of {who} is left, who is erased" for what, is_left in left.items() if is_left)


def _tables_that_name(world: Any, who: str) -> list[str]:
    """Return the tables, of those that this history wrote to, that hold the name or the address of a person."""
    wanted = [f"%{canary_of(who)}%", f"%{email_of(who)}%"]
    found: list[str] = []
    tables = {model._meta.db_table: router.db_for_read(model) for model in apps.get_models(include_auto_created=True)}
    for alias in connections:
        asked = [
            f"SELECT '{table}' WHERE EXISTS (SELECT 1 FROM {table} AS t WHERE t::text ILIKE ANY(%(wanted)s))"
            for table in sorted(world.points.written & tables.keys())
            if tables[table] == alias
        ]
        if asked:
            connections[alias].ensure_connection()
            with connections[alias].connection.cursor() as cursor:
                cursor.execute(" UNION ALL ".join(asked), {"wanted": wanted})
                found += [table for (table,) in cursor.fetchall()]
    return found
