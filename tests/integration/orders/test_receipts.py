"""The receipt over HTTP: who gets it, once there is one, in which form, and what it says after money went back."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from orders.models import Order
from orders.pricing.rules import NO_RULES, Rules
from orders.queries import RULES
from orders.services.personal import KEEPER
from shipping.queries import OPTIONS
from tests.driver.factories import AddressFactory, ProductFactory, UserFactory
from tests.driver.shopper import Shopper, id_in
from tests.integration.orders.test_adjustments import tax, way

PDF, PAGE = "application/pdf", "text/html"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
AMOUNT = {"amount_minor": 250, "currency": "EUR"}


@pytest.fixture
def order_id(shopper: Shopper) -> uuid.UUID:
    return id_in(shopper.place(quantity=2, locale="de-DE", company="Analytical Engines"))


def receipt(shopper: Shopper, order_id: uuid.UUID, accept: str = PAGE, **headers: str) -> Any:
    return shopper.get(f"orders/{order_id}/receipt", Accept=accept, **headers)


def text_of(answer: Any) -> str:
    assert answer.status_code == 200, answer.content
    return str(re.sub("<[^>]+>", " ", answer.content.decode()))


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (PAGE, "text/html; charset=utf-8"),
        (BROWSER, "text/html; charset=utf-8"),
        ("*/*", "text/html; charset=utf-8"),
        (PDF, PDF),
        (f"{PAGE};q=0.5, {PDF}", PDF),
        (f"{PDF};q=0.1, text/*;q=0.9", "text/html; charset=utf-8"),
        ("application/problem+json, application/pdf", PDF),
    ],
)
def test_it_comes_in_the_form_that_is_asked_for(shopper: Shopper, order_id: uuid.UUID, accept: str, kind: str):
    answer = receipt(shopper, order_id, accept)

    assert (answer.status_code, answer["Content-Type"]) == (200, kind)
    assert answer["Cache-Control"] == "private, no-cache"
    assert {"Accept", "Authorization", "X-Session-Token", "X-Order-Token"} <= set(answer["Vary"].split(", "))
    number, extension = Order.objects.get(pk=order_id).number, "pdf" if kind == PDF else "html"
    assert answer["Content-Disposition"] == f'inline; filename="receipt-{number}.{extension}"'
    assert answer.content.startswith(b"%PDF-" if kind == PDF else b"<!DOCTYPE html>")


def test_it_says_what_was_bought_and_who_sold_it(shopper: Shopper, order_id: uuid.UUID, settings: Any):
    settings.SELLER_NAME, settings.SELLER_ADDRESS = "Mugs & More", ["1 Harbor Street", "Lisboa"]
    settings.SELLER_VAT_NUMBER = "PT123456789"

    text = text_of(receipt(shopper, order_id))

    for said in (
        "Mugs &amp; More",
        "1 Harbor Street",
        "PT123456789",
        "Analytical Engines",
        "The mug",
        "12,50\xa0€",
        "25,00\xa0€",
    ):
        assert said in text
    assert Order.objects.get(pk=order_id).number in text


@pytest.mark.parametrize("accept", ["application/json", "image/png", "text/html;q=0"])
def test_another_form_is_not_to_be_had(shopper: Shopper, order_id: uuid.UUID, accept: str):
    answer = receipt(shopper, order_id, accept)

    assert (answer.status_code, answer["Content-Type"]) == (406, "application/problem+json")
    assert answer.json()["detail"] == "This comes as text/html or application/pdf."


@pytest.mark.parametrize("accept", [PAGE, PDF, "*/*"])
def test_before_the_order_is_confirmed_the_answer_is_a_problem(shopper: Shopper, accept: str):
    waiting = id_in(shopper.place(payment_method="pm_card_authenticationRequired"))

    answer = receipt(shopper, waiting, accept)

    assert (answer.status_code, answer["Content-Type"]) == (409, "application/problem+json")
    assert answer.json()["code"] == "receipt_not_ready"
    assert answer.json()["facts"] == {"order_id": str(waiting), "order_status": "AWAITING_PAYMENT"}


@pytest.mark.parametrize("accept", [PAGE, PDF])
def test_it_is_not_sent_again_until_something_has_changed(
    shopper: Shopper, staff: Shopper, order_id: uuid.UUID, accept: str
):
    first = receipt(shopper, order_id, accept)
    again = receipt(shopper, order_id, accept, **{"If-None-Match": first["ETag"]})
    other = receipt(shopper, order_id, PDF if accept == PAGE else PAGE, **{"If-None-Match": first["ETag"]})
    staff.post(f"orders/{order_id}/refunds", {"amount": AMOUNT, "reason": "a scratch"})
    after = receipt(shopper, order_id, accept, **{"If-None-Match": first["ETag"]})

    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert [other.status_code, after.status_code] == [200, 200]
    assert len({first["ETag"], other["ETag"], after["ETag"]}) == 3


def test_it_says_what_went_back(shopper: Shopper, staff: Shopper, order_id: uuid.UUID):
    staff.post(f"orders/{order_id}/refunds", {"amount": AMOUNT, "reason": "a scratch"})
    text = text_of(receipt(shopper, order_id))
    assert "Refunded" in text
    assert "-2,50\xa0€" in text
    assert "22,50\xa0€" in text
    assert "a scratch" not in text

    shopper.cancel(order_id)

    assert "-25,00\xa0€" in text_of(receipt(shopper, order_id))


def test_staff_get_it_and_other_customers_do_not(shopper: Shopper, staff: Shopper, order_id: uuid.UUID):
    other = Shopper(UserFactory())

    assert receipt(staff, order_id).status_code == 200
    assert receipt(other, order_id).json()["code"] == "order_not_found"
    assert receipt(Shopper(), order_id).status_code == 401
    assert receipt(shopper, uuid.uuid4()).status_code == 404


def test_of_an_erased_person_it_says_that_and_nothing_else(shopper: Shopper, staff: Shopper, drain: Callable[[], None]):
    order_id = id_in(shopper.place(company="Quux", billing_address=AddressFactory(name="Quuxella")))
    shopper.cancel(order_id)
    drain()
    KEEPER.erase([order_id], whole=True)

    for accept in (PAGE, PDF):
        assert receipt(staff, order_id, accept).status_code == 200
    text = text_of(receipt(staff, order_id))
    assert "The personal data of this order was erased." in text
    assert "Portugal" in text
    assert "Quux" not in text


def test_it_is_not_shown_in_a_frame_and_loads_nothing(shopper: Shopper, order_id: uuid.UUID):
    policy = receipt(shopper, order_id)["Content-Security-Policy"]

    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_no_query_parameter_chooses_the_form(shopper: Shopper, order_id: uuid.UUID):
    answer = shopper.get(f"orders/{order_id}/receipt?format=pdf")

    assert answer.status_code in (400, 404)


def test_names_of_products_are_as_they_were_sold(shopper: Shopper):
    sku = ProductFactory(name="Κούπα <i>μπλε</i>")
    text = receipt(shopper, id_in(shopper.place(sku=sku))).content.decode()

    assert "Κούπα &lt;i&gt;μπλε&lt;/i&gt;" in text


def test_it_shows_what_the_order_was_told_of_taxes_and_shipping(shopper: Shopper):
    RULES.put(Rules(taxes=(tax("23.000", included=True),)))
    OPTIONS.put((way("standard", 495),))
    try:
        order_id = id_in(shopper.place(quantity=2))
    finally:
        RULES.put(NO_RULES)
        OPTIONS.put(())

    text = text_of(receipt(shopper, order_id))

    for said in ("Subtotal", "€25.00", "Standard delivery", "€4.95", "€29.95", "VAT 23.000 %", "€24.35", "€5.60"):
        assert said in text
    assert receipt(shopper, order_id, PDF).status_code == 200
