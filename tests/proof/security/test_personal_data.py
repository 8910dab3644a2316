"""A canary in every personal field: after whole journeys, failures included, it stands in its own table and nowhere else."""

from __future__ import annotations

import io
import json
import logging
import smtplib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from django.apps import apps
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client
from django.urls import reverse
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shop.events import relay
from shop.events.inbox import retry_due
from shop.observability import tracing
from tests.driver.factories import AddressFactory, OrderBodyFactory, ProductFactory, UserFactory
from tests.driver.logs import captured
from tests.driver.orders import placed
from tests.driver.provider import Provider
from tests.driver.shopper import Shopper, id_in
from tests.driver.tables import execute, rows_of, table_away
from tests.proof.report import Record
from tests.proof.security.people import People

log = structlog.get_logger(__name__)
REFUSED = (422, "card_number_refused")
CARD = "4000056655665556"
CANARIES = {
    "name": "Zanzibella Quuxworth",
    "email": "zanzibella.canary@quux.example",
    "line1": "77 Quuxcanary Lane",
    "line2": "Flat Quuxtwo",
    "city": "Quuxcity",
    "region": "Quuxregion",
    "postal_code": "QX9-7ZZ",
    "company": "Quuxworth Engines",
    "vat_number": "DE987654398",
    "phone": "+351210987698",
    "note": "Please ring the quuxbell.",
    "billing_name": "Quuxella Payer",
    "billing_city": "Quuxbilling",
}
OF_THE_ADDRESS = ("name", "line1", "line2", "city", "region", "postal_code")
DETAILS = ("company", "vat_number", "phone", "note")
# Where a customer's data lives: the order's contact and its details, the account, and the answer that its owner was given.
HOMES = {
    "orders_contact",
    "orders_contactdetails",
    "shop_user",
    "account_emailaddress",
    "shop_idempotencykey",
    "django_session",
}


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Everything that is logged, at DEBUG, as production would print it."""
    with captured(level=logging.DEBUG) as printed:
        yield printed


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Every span of this process, in one trace that is exported."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "tracer", provider.get_tracer("shop"))
    with tracing.tracer.start_as_current_span("test"):
        yield exporter


class MailboxFull(EmailBackend):
    """Refuses as a mail server does: naming the address."""

    def send_messages(self, messages: Any) -> int:
        to = messages[0].to[0]
        raise smtplib.SMTPRecipientsRefused({to: (452, f"4.2.2 <{to}> mailbox full".encode())})


def body(**more: Any) -> dict[str, Any]:
    address = AddressFactory(**{name: CANARIES[name] for name in OF_THE_ADDRESS})
    billing = AddressFactory(name=CANARIES["billing_name"], city=CANARIES["billing_city"])
    said = {name: CANARIES[name] for name in DETAILS} | {"billing_address": billing}
    return dict(OrderBodyFactory(email=CANARIES["email"], shipping_address=address, **said, **more))


@pytest.mark.usefixtures("mug")
def test_a_canary_stays_in_its_own_table(  # noqa: PLR0917  each of them is a fixture
    sandbox: Provider,
    drain: Callable[[], None],
    settings: Any,
    lines: io.StringIO,
    spans: InMemorySpanExporter,
    proof: Record,
):
    shopper = Shopper(UserFactory(email=CANARIES["email"]))
    settings.EVENTS_MAX_ATTEMPTS = 2

    delivered = shopper.post("orders", body())
    assert delivered.status_code == 201
    drain()
    refunded = id_in(shopper.post("orders", body()))
    shopper.cancel(refunded)
    shopper.post("orders", body(payment_method="pm_card_chargeDeclinedStolenCard"))
    shopper.post("orders", body(quantity=999))
    settings.EMAIL_BACKEND = f"{__name__}.MailboxFull"
    shopper.post("orders", body())
    with table_away("shipping", "shipping_shipment"):
        relay.drain_all()
        for _attempt in range(3):
            execute("shipping", "UPDATE shipping_inbox SET due_at = now() WHERE status = 'RETRYING'")
            retry_due("shipping")
    drain()

    everything = {
        model._meta.db_table: rows_of(model)
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed
    }
    told = {
        "logs": lines.getvalue(),
        "spans": "\n".join(span.to_json() for span in spans.get_finished_spans()),
        "the provider": json.dumps(sandbox.events()) + json.dumps(sandbox.control("GET", "ledger")),
        **{table: rows for table, rows in everything.items() if table not in HOMES},
    }
    assert "event.dead_lettered" in told["logs"]
    assert "DEAD" in told["shipping_inbox"]
    assert "order.confirmed" in told["orders_outbox"]
    assert "SELECT" in told["spans"]
    assert CANARIES["line1"] in everything["orders_contact"]
    assert CANARIES["note"] in everything["orders_contactdetails"]
    leaks = [
        f"{what} in {where}: {text[max(0, text.find(canary) - 200) : text.find(canary) + 60]}"
        for where, text in told.items()
        for what, canary in CANARIES.items()
        if canary in text
    ]
    proof("personal data canary", histories=len(told) * len(CANARIES), violations=leaks)
    assert leaks == []


def address(**changed: str) -> dict[str, Any]:
    return body() | {"shipping_address": AddressFactory(**changed)}


PLACES: dict[str, Callable[[str], dict[str, Any]]] = {
    "payment_method": lambda card: body(payment_method=card),
    "payment_method with its prefix": lambda card: body(payment_method=f"pm_{card}"),
    "sku": lambda card: body(lines=[{"sku": card, "quantity": 1}]),
    "name": lambda card: address(name=f"Ada {card}"),
    "name without a space": lambda card: address(name=f"Ada{card}"),
    "line1": lambda card: address(line1=card),
    "line2": lambda card: address(line2=f"card: {card} 12/30"),
    "city": lambda card: address(city=f"Lisbon-{card}"),
    "region": lambda card: address(region=card),
    "postal_code": lambda card: address(postal_code=card),
    "country": lambda card: address(country=card),
    "billing_address": lambda card: body() | {"billing_address": AddressFactory(line2=card)},
    "company": lambda card: body() | {"company": f"Engines {card}"},
    "vat_number": lambda card: body() | {"vat_number": f"DE {card}"},
    "phone": lambda card: body() | {"phone": card},
    "note": lambda card: body() | {"note": f"Take it from\n{card}"},
    "locale": lambda card: body() | {"locale": card},
    "the local part of the email": lambda card: body() | {"email": f"{card.replace(' ', '-')}@shop.example"},
    "the middle of the local part": lambda card: body() | {"email": f"ada.{card.replace(' ', '-')}x@shop.example"},
    "an unknown field": lambda card: body() | {card: 1},
    "the value of an unknown field": lambda card: body() | {"card_number": card},
    "a list where none belongs": lambda card: body() | {"payment_method": [{"number": card}]},
    "quantity": lambda card: body(lines=[{"sku": "MUG", "quantity": digits_of(card)}]),
    "an amount": lambda card: body() | {"expected_total": {"amount_minor": digits_of(card), "currency": "EUR"}},
}
CARDS = [
    CARD,
    "4000 0566 5566 5556",
    "4000-0566-5566-5556",
    "378282246310005",
    "3782 822463 10005",
    "6304000000000000000",
    "4222222222222",
    "30569309025904",
]


def digits_of(card: str) -> int:
    return int(card.replace(" ", "").replace("-", ""))


def stored_in(card: str) -> list[str]:
    return [
        model._meta.label
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and card in rows_of(model)
    ]


@pytest.mark.parametrize("card", CARDS)
def test_a_card_number_is_refused_wherever_it_is_put_and_never_repeated(
    card: str, shopper: Shopper, sandbox: Provider, lines: io.StringIO, proof: Record
):
    may_be_a_gtin = len(card) in (13, 14)
    wrong = []
    for place, make in PLACES.items():
        answer = shopper.post("orders", make(card))
        if (place == "sku" and may_be_a_gtin) or (answer.status_code, answer.json()["code"]) == REFUSED:
            wrong += [f"{place}: {card} is repeated"] if card in str(answer.json().get("errors")) else []
        else:
            wrong.append(f"{place}: {card} is answered {answer.status_code} {answer.content.decode()}")
    order_id = placed(customer_id=shopper.user.pk)
    for path, content in (("payment", {"payment_method": card}), ("cancel", {"why": card})):
        answer = shopper.post(f"orders/{order_id}/{path}", content)
        wrong += [] if (answer.status_code, answer.json()["code"]) == REFUSED else [f"{path}: {answer.content!r}"]
    key = card.replace(" ", "-")
    for sent in (key, f"order-{key}", f"{key}x"):
        answer = shopper.place(key=sent)
        wrong += [] if (answer.status_code, answer.json()["code"]) == REFUSED else [f"the key {sent}"]
    refused = shopper.get(f"products/{card}")
    assert (refused.status_code, card in refused.content.decode()) == (404, False)
    log.info("a.line", text=f"ada{card}x", header={"key": f"order-{card}"}, number=digits_of(card))
    wrong += [f"the log has {card}"] if card in lines.getvalue() or str(digits_of(card)) in lines.getvalue() else []
    wrong += [f"{table} has {card}" for table in stored_in(card)]

    proof("card number sent", histories=len(PLACES) + 6, violations=wrong)
    assert wrong == []


@pytest.mark.usefixtures("people")
def test_a_card_number_in_the_reason_of_a_refund_is_refused(people: People, proof: Record):
    staff, browser = people.apis["staff with permission"], people.browsers["staff with permission"]
    amount = {"amount_minor": 100, "currency": "EUR"}

    over_the_api = staff.post(f"orders/{people.order_id}/refunds", {"amount": amount, "reason": f"back to {CARD}"})
    in_the_admin = browser.post(
        reverse("admin:orders_order_refund_one", args=[people.order_id]),
        {"_form_submitted": "on", "amount_minor": 100, "reason": f"back to {CARD}"},
    )

    assert (over_the_api.status_code, over_the_api.json()["code"]) == REFUSED
    assert "card number" in in_the_admin.content.decode()
    assert stored_in(CARD) == []
    proof("card number sent", histories=2)


def test_nobody_signs_up_with_a_card_number(database: None):
    answer = Client().post(
        "/_allauth/app/v1/auth/signup",
        {"email": f"{CARD}@shop.example", "password": "correct horse battery"},
        content_type="application/json",
    )

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "card_number_refused")
    assert stored_in(CARD) == []


@pytest.mark.parametrize(
    "key",
    [
        "12345678-1234-4123-8123-424242424242",
        "018f4242-4242-7424-8242-4242424242ab",
        "4242424242424242ab4242424242424242424242"[:32] + "ffffffff",
        "4242424242424241",
        "0.4242424242424242",
    ],
)
def test_what_only_looks_like_a_card_number_is_taken(key: str, shopper: Shopper, sandbox: Provider):
    assert shopper.place(key=key).status_code == 201


def test_a_product_code_that_is_no_card_number_is_still_sold(shopper: Shopper, sandbox: Provider):
    gtin = ProductFactory(sku="4006381333931")

    assert shopper.place(lines=[{"sku": gtin, "quantity": 1}]).status_code == 201
