"""What only some customers say with their order: taken, shown to them and to staff, and paid for by nobody else."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail
from django.db import IntegrityError, models
from django.urls import reverse

from orders.models import Contact, ContactDetails
from orders.queries import SAID_BY_SOME, get_order
from orders.rest.serializers import represent
from orders.services.personal import KEEPER
from tests.driver.factories import AddressFactory
from tests.driver.mails import text_of
from tests.driver.shopper import Shopper, id_in
from tests.driver.tables import execute
from tests.integration.orders.test_admin import signed_in
from tests.integration.orders.test_cost import COSTS, measure

SAID: dict[str, Any] = {
    "billing_address": AddressFactory(name="Analytical Engines Ltd", line2="Books", region="Lisboa"),
    "company": "Analytical Engines",
    "vat_number": "PT 123 456 789",
    "phone": "+351 21 123 4567",
    "note": "Ring twice.\r\nThen wait.",
    "locale": "pt-pt",
}
KEPT = SAID | {
    "vat_number": "PT123456789",
    "phone": "+351211234567",
    "note": "Ring twice.\nThen wait.",
    "locale": "pt-PT",
}
NOTHING = {"billing_address": None, "company": "", "vat_number": "", "phone": "", "note": "", "locale": ""}


def test_each_of_them_is_tried_here():
    assert {*SAID_BY_SOME, "billing_address"} == set(SAID) == set(KEPT) == set(NOTHING)


def of(body: dict[str, Any]) -> dict[str, Any]:
    return {name: body[name] for name in NOTHING}


@pytest.mark.parametrize("prefer", ["", "respond-async"])
def test_what_was_said_is_shown_at_once_and_later(shopper: Shopper, prefer: str):
    answer = shopper.place(headers={"Prefer": prefer}, **SAID)

    assert answer.status_code in (201, 202), answer.content
    assert of(answer.json()) == KEPT
    assert of(shopper.order(id_in(answer))) == KEPT
    assert of(shopper.get("orders").json()["results"][0]) == KEPT


@pytest.mark.parametrize("name", NOTHING)
def test_each_of_them_may_be_said_alone(shopper: Shopper, name: str):
    answer = shopper.place(**{name: SAID[name]})

    assert of(answer.json()) == NOTHING | {name: KEPT[name]}
    assert of(shopper.order(id_in(answer))) == NOTHING | {name: KEPT[name]}


@pytest.mark.parametrize("body", [{}, NOTHING])
def test_an_order_that_says_nothing_of_it_has_no_row_and_shows_nothing(shopper: Shopper, body: dict[str, Any]):
    answer = shopper.place(**body)

    assert of(answer.json()) == of(shopper.order(id_in(answer))) == NOTHING
    assert not ContactDetails.objects.exists()


@pytest.mark.parametrize("name", NOTHING)
def test_it_belongs_to_the_request_that_a_key_stands_for(shopper: Shopper, name: str):
    key = str(uuid.uuid4())
    first = shopper.place(key=key, **SAID)

    again = shopper.place(key=key, **SAID)
    other = shopper.place(key=key, **{each: said for each, said in SAID.items() if each != name})

    assert (again.status_code, again.json()["id"]) == (201, first.json()["id"])
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert ContactDetails.objects.count() == 1


@pytest.mark.parametrize(
    ("wrong", "pointer", "message"),
    [
        ({"vat_number": "123"}, "#/vat_number", "begins with the letters of its country"),
        ({"vat_number": "DE12"}, "#/vat_number", "not the format of a VAT number of DE"),
        ({"phone": "call me"}, "#/phone", "not a telephone number"),
        ({"locale": "xx-YY"}, "#/locale", "not a locale that the shop knows"),
        ({"note": "x" * 501}, "#/note", "no more than 500 characters"),
        ({"note": "a\x07b"}, "#/note", "without control characters"),
        ({"company": "a\nb"}, "#/company", "one line of text"),
        ({"billing_address": {"name": "Ada"}}, "#/billing_address/line1", "required"),
        ({"billing_address": AddressFactory(country="XX")}, "#/billing_address/country", "country code"),
    ],
)
def test_what_is_wrong_is_refused_where_it_stands(shopper: Shopper, wrong: dict[str, Any], pointer: str, message: str):
    answer = shopper.place(**wrong)

    assert answer.status_code == 400, answer.content
    [error] = [each for each in answer.json()["errors"] if each["pointer"] == pointer]
    assert message in error["detail"]
    assert not Contact.objects.exists()


def test_it_costs_the_order_no_statement_and_no_commit_more(shopper: Shopper, monkeypatch: pytest.MonkeyPatch):
    shopper.place(**SAID)

    assert measure(shopper, monkeypatch, **SAID).costs == COSTS


def test_nothing_of_an_order_is_written_where_its_details_cannot_be(shopper: Shopper):
    execute("orders", "ALTER TABLE orders_contactdetails ADD CONSTRAINT closed CHECK (note = '')")
    try:
        with pytest.raises(IntegrityError, match="closed"):
            shopper.place(**SAID)
    finally:
        execute("orders", "ALTER TABLE orders_contactdetails DROP CONSTRAINT closed")

    assert not Contact.objects.exists()


def test_it_is_exported_and_goes_with_the_contact(shopper: Shopper):
    order_id = id_in(shopper.place(**SAID))
    [told] = KEEPER.export([order_id])["contact_details"]
    assert (told["note"], told["billing_line2"]) == ("Ring twice.\nThen wait.", "Books")
    shopper.cancel(order_id)

    assert KEEPER.erase([order_id], whole=False) > 1

    assert KEEPER.erase([order_id], whole=False) == 0
    assert KEEPER.export([order_id])["contact_details"] == []
    assert of(represent(get_order(order_id=order_id), payment=None)) == NOTHING


def test_mails_write_amounts_as_the_customer_reads_them(shopper: Shopper, drain: Callable[[], None]):
    shopper.place(locale="de-DE")
    drain()

    texts = "".join(text_of(letter) for letter in mail.outbox)
    assert "12,50\xa0€" in texts
    assert "€12.50" not in texts


def test_staff_see_it(shopper: Shopper):
    order_id = id_in(shopper.place(**SAID))

    page = (
        signed_in("orders.view_contactdetails")
        .get(reverse("admin:orders_order_change", args=[order_id]))
        .content.decode()
    )

    for text in ("Analytical Engines Ltd", "PT123456789", "+351211234567", "Ring twice.", "pt-PT"):
        assert text in page


@pytest.mark.parametrize("model", [Contact, ContactDetails])
def test_each_text_that_is_kept_of_a_contact_stands_on_the_page_of_its_order(
    shopper: Shopper, model: type[Contact | ContactDetails]
):
    order_id = id_in(shopper.place(**SAID))
    texts = [field for field in model._meta.concrete_fields if isinstance(field, models.CharField | models.TextField)]
    # What is too short for a text is a country's code, which the page shows by name.
    told = {field.name: "NO" if field.max_length == 2 else f"told-{place}-" for place, field in enumerate(texts)}
    model._default_manager.filter(order_id=order_id).update(**told)

    page = (
        signed_in("orders.view_contact", "orders.view_contactdetails")
        .get(reverse("admin:orders_order_change", args=[order_id]))
        .content.decode()
    )

    missing = [name for name, text in told.items() if {"NO": "Norway"}.get(text, text) not in page]
    assert missing == [], f"name them in the fields of the inline of {model.__name__} in orders/admin/orders.py"
