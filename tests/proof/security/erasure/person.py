"""A person whose traces are canaries, where they are looked for, and how an erasure is asked for and settles."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.apps import apps
from django.contrib.sessions.models import Session

from notifications.services.sending import send_due_emails
from orders.models import Order
from orders.queries import Address
from orders.rules import CancelReason
from orders.sagas.entry import cancel_order
from shipping import api as shipping
from shipping.models import Shipment
from shop import clock
from shop.events import relay
from shop.personal import accounts, erasure, keepers
from shop.personal.accounts import person_of
from tests.driver.ageing import let_all_be_heard
from tests.driver.factories import AddressFactory, OrderBodyFactory, UserFactory
from tests.driver.orders import pass_deadline
from tests.driver.shopper import Shopper
from tests.driver.tables import execute, rows_of

EMAIL = "ada@shop.example"
ADDRESS = Address(
    name="Zanzibella Quuxworth",
    line1="77 Quuxcanary Lane",
    line2="Flat Quuxtwo",
    city="Quuxcity",
    region="Quuxregion",
    postal_code="QX9-7ZZ",
    country="PT",
)
DETAILS = {
    "company": "Quuxworth Engines",
    "vat_number": "DE987654398",
    "phone": "+351210987698",
    "note": "Ring the quuxbell.",
    "billing_address": AddressFactory(name="Quuxella Payer"),
}
CANARIES = (EMAIL, "Quux", "QX9-7ZZ", "quuxfirst", "TRACK-1", "pm_card_visa", "DE987654398", "+351210987698")
ENDED = {"DELIVERED", "CANCELED", "REFUNDED"}


class LateClock:
    """The clock that erasures read: of the database, and later by what a test lets pass."""

    def __init__(self) -> None:
        self.late = timedelta(0)

    def database_now(self, **named: Any) -> datetime:
        return clock.database_now(**named) + self.late


def body() -> dict[str, Any]:
    return dict(OrderBodyFactory(email=EMAIL, shipping_address=AddressFactory(**vars(ADDRESS)), **DETAILS))


def tables() -> dict[str, list[str]]:
    """Return each row of each table of each database as text; sessions as they read once they are decoded.

    Without the hash of a password: it may hold any few letters by chance.
    """
    found = {
        model._meta.db_table: [
            json.dumps({name: value for name, value in row.items() if name != "password"}, sort_keys=True)
            for row in json.loads(rows_of(model))
        ]
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed
    }
    found["django_session"] = [json.dumps(session.get_decoded()) for session in Session.objects.order_by("pk")]
    return found


def named_in(found: dict[str, list[str]], *canaries: str) -> list[str]:
    """Return where a canary stands, whatever its case, as `table: canary`."""
    return sorted(
        f"{table}: {canary}"
        for table, rows in found.items()
        for canary in canaries
        if any(canary.lower() in row.lower() for row in rows)
    )


def asked(shopper: Shopper) -> uuid.UUID:
    return erasure.ask(person_of(user_id=shopper.user.pk), asked_by="a test")


def pass_settling(erasure_id: uuid.UUID) -> None:
    """Let the requests end that were under way as the erasure began, and its next look come."""
    looks_late: Any = erasure
    looks_late.clock.late += timedelta(hours=1)
    execute("shop", "UPDATE shop_erasure SET due_at = now() WHERE id = %s AND due_at IS NOT NULL", erasure_id)


def tell_all() -> None:
    """Have every fact heard and every email sent, a while ago; no order continues automatically."""
    relay.drain_all()
    while send_due_emails():
        relay.drain_all()
    let_all_be_heard()


def erased(erasure_id: uuid.UUID) -> bool:
    """Carry an erasure out as far as it goes, its last look included."""
    erasure.carry_out(erasure_id)
    pass_settling(erasure_id)
    erasure.carry_out(erasure_id)
    return erasure.carry_out(erasure_id)


def end_every_order(settle: Callable[[], None]) -> None:
    """Bring every order to an end: paid ones are canceled or arrive."""
    for order in Order.objects.filter(status="AWAITING_PAYMENT"):
        pass_deadline(order.pk)
    settle()
    for order in Order.objects.filter(status="CONFIRMED"):
        cancel_order(order_id=order.pk, reason=CancelReason.CUSTOMER_REQUEST)
    settle()
    for shipment in Shipment.objects.filter(status="DISPATCHED"):
        shipping.confirm_delivery(shipment_id=shipment.pk)
    settle()
    assert set(Order.objects.values_list("status", flat=True)) <= ENDED


def die_at(step: str, when: str, patches: pytest.MonkeyPatch) -> None:
    """Have the process die right before or right after a step of an erasure."""

    def dying(work: Callable[..., Any]) -> Callable[..., Any]:
        def die(*arguments: Any, **named: Any) -> Any:
            if when == "after":
                work(*arguments, **named)
            raise SystemExit

        return die

    if step in keepers._registry.keepers:
        keeper = keepers._registry.keepers[step]
        patches.setitem(keepers._registry.keepers, step, replace(keeper, erase=dying(keeper.erase)))
    else:
        module: Any = erasure if step == "_note" else accounts
        patches.setattr(module, step, dying(getattr(module, step)))


def signs_up_again() -> Shopper:
    """Have somebody sign up with the person's address, and confirm it."""
    user = UserFactory(email=EMAIL, first_name="Newcomer")
    EmailAddress.objects.create(user=user, email=EMAIL, primary=True, verified=True)
    return Shopper(user)
