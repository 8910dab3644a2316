"""Every kind of email, in every kind of currency, with whatever customers write."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from notifications.models import Email, EmailKind
from notifications.services.sending import render
from orders.api import Address, OrderLineState, OrderState, OrderStatus
from shop.money import CURRENCIES, Money

KINDS = [str(kind) for kind in EmailKind]


def order(currency: str = "EUR", *, name: str = "Ada Lovelace", article: str = "Mug", line2: str = "") -> OrderState:
    price = Money(1250, currency)
    return OrderState(
        order_id=uuid.uuid4(),
        number="7K3M9Q2XAB",
        customer_id=uuid.uuid4(),
        status=OrderStatus.CONFIRMED,
        version=4,
        total=price * 2,
        lines=(OrderLineState("MUG", article, 2, price),),
        email="ada@example.com",
        shipping_address=Address(name, "Allee 1", line2, "Berlin", "BE", "10115", "DE"),
        placed_at=datetime(2026, 11, 22, 9, 30, tzinfo=UTC),
        pay_before=datetime(2026, 11, 22, 9, 45, tzinfo=UTC),
        confirmed_at=datetime(2026, 11, 22, 9, 31, tzinfo=UTC),
        closed_at=None,
        cancel_reason="card_declined",
        refusal=None,
        carrier="DHL",
        tracking_number="JD01",
        has_payment_method=True,
    )


def email(kind: str) -> Email:
    refunded = {"amount_minor": 1234, "currency": "EUR"} if kind == "refund_issued" else {}
    return Email(
        order_id=uuid.uuid4(), kind=kind, reason="card_declined" if kind == "order_canceled" else "", **refunded
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("currency", "total"), [("EUR", "€25.00"), ("JPY", "¥2,500"), ("KWD", "2.500"), ("ISK", "2,500")]
)
def test_amounts_are_written_as_the_currency_is(currency, total, kind):
    message = render(email(kind), order(currency))

    assert total in message.text
    assert total in message.html


def test_any_currency_renders():
    for currency in sorted(CURRENCIES):
        assert render(email("order_confirmed"), order(currency)).html


@pytest.mark.parametrize("kind", KINDS)
def test_what_people_write_is_escaped_in_html_and_left_alone_in_text(kind):
    message = render(email(kind), order(name="Ada <script>alert(1)</script>", article='Mug & "Co" <b>'))

    assert "<script>" not in message.html
    assert "&lt;script&gt;" in message.html
    assert "Mug &amp; &quot;Co&quot; &lt;b&gt;" in message.html
    assert 'Mug & "Co" <b>' in message.text


@pytest.mark.parametrize("kind", KINDS)
def test_email_is_whole_readable_and_holds_no_leftovers(kind):
    message = render(email(kind), order(line2="3rd floor"))

    assert message.text.startswith("Hello Ada Lovelace,\n\n")
    assert message.html.startswith("<!DOCTYPE html>")
    assert message.html.count("<table") == message.html.count("</table>")
    assert "<title>Your" in message.html
    for leftover in ("{{", "{%", "None", "\n\n\n"):
        assert leftover not in message.text
        assert leftover not in message.html


def test_who_has_not_paid_sends_no_words_of_theirs_to_anybody():
    message = render(
        email("order_canceled"), replace(order(name="you won, claim at https://evil.example"), confirmed_at=None)
    )

    assert message.text.startswith("Hello,\n\n")
    assert "evil.example" not in message.text + message.html


@pytest.mark.parametrize("kind", KINDS)
def test_an_order_that_costs_nothing_sends_no_words_of_its_customer_to_anybody(kind):
    told = order(name="you won, claim at https://evil.example", line2="evil.example")
    message = render(email(kind), replace(told, total=Money(0, "EUR")))

    assert message.text.startswith("Hello,\n\n")
    assert "evil.example" not in message.text + message.html
    assert "\n\n\n" not in message.text


def test_the_country_of_an_address_is_told_by_its_name():
    message = render(email("order_confirmed"), order())

    assert "BE, Germany" in message.text
    assert "BE, Germany" in message.html


def test_parcel_email_tells_carrier_and_number_and_manages_without():
    told = render(email("order_shipped"), order())

    assert "with DHL" in told.text
    assert "Tracking number: JD01" in told.text
    assert "JD01" in told.html


def test_refund_email_tells_its_amount_not_the_total():
    told = render(email("refund_issued"), order())

    assert "We have refunded €12.34 to" in told.text
    assert "<strong>€12.34</strong>" in told.html
    assert "€12.34 is on its way back" in told.html


def test_message_shows_neither_address_nor_text_of_itself():
    shown = repr(render(email("order_confirmed"), order()))

    assert "ada@" not in shown
    assert "Hello" not in shown
