"""A canary in every personal field: after whole journeys, failures included, it stands in its own table and nowhere else."""

from __future__ import annotations

import io
import json
import logging
import smtplib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.apps import apps
from django.core.mail.backends.locmem import EmailBackend
from django.db import connections
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shop.events import relay
from shop.events.inbox import retry_due
from shop.observability import tracing
from shop.observability.logging import standard_config
from tests.factories import AddressFactory, OrderBodyFactory, ProductFactory, UserFactory
from tests.integration.orders.conftest import Shopper, execute, id_in, table_away
from tests.laws.conftest import rows_of
from tests.provider import Provider

CARD = "4000056655665556"
CANARIES = {
    "name": "Zanzibella Quuxworth",
    "email": "zanzibella.canary@quux.example",
    "line1": "77 Quuxcanary Lane",
    "line2": "Flat Quuxtwo",
    "city": "Quuxcity",
    "region": "Quuxregion",
    "postal_code": "QX9-7ZZ",
}
# Where a customer's data lives: the order's contact, the account, and the answer that its owner was given.
HOMES = {"orders_contact", "shop_user", "account_emailaddress", "shop_idempotencykey", "django_session"}


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Everything that is logged, at DEBUG, as production would print it."""
    printed = io.StringIO()
    root, level = logging.getLogger(), logging.getLogger().level
    config = standard_config(log_format="json", level="DEBUG")
    handler = logging.StreamHandler(printed)
    made = config["formatters"]["structured"]
    handler.setFormatter(made["()"](**{name: value for name, value in made.items() if name != "()"}))
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield printed
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Every span of this process, its libraries' too."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "tracer", provider.get_tracer("shop"))
    from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
    from opentelemetry.instrumentation.requests import RequestsInstrumentor

    instrumentors: list[Any] = [PsycopgInstrumentor(), RequestsInstrumentor()]
    for each in instrumentors:
        each.instrument(tracer_provider=provider)
    connections.close_all()
    yield exporter
    for each in instrumentors:
        each.uninstrument()
    connections.close_all()


class MailboxFull(EmailBackend):
    """Refuses as a mail server does: naming the address."""

    def send_messages(self, messages: Any) -> int:
        to = messages[0].to[0]
        raise smtplib.SMTPRecipientsRefused({to: (452, f"4.2.2 <{to}> mailbox full".encode())})


def body(**more: Any) -> dict[str, Any]:
    address = AddressFactory(**{name: value for name, value in CANARIES.items() if name != "email"})
    return dict(OrderBodyFactory(email=CANARIES["email"], shipping_address=address, **more))


@pytest.mark.usefixtures("mug")
def test_a_canary_stays_in_its_own_table(
    sandbox: Provider,
    drain: Callable[[], None],
    settings: Any,
    lines: io.StringIO,
    spans: InMemorySpanExporter,
):
    shopper = Shopper(UserFactory(email=CANARIES["email"]))
    settings.EVENTS_MAX_ATTEMPTS = 2

    delivered = shopper.post("orders", body())
    assert delivered.status_code == 201
    drain()
    refunded = id_in(shopper.post("orders", body()))
    shopper.cancel(refunded)
    shopper.post("orders", body(payment_method="pm_card_chargeDeclined"))
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
    leaks = [
        f"{what} in {where}: {text[max(0, text.find(canary) - 200) : text.find(canary) + 60]}"
        for where, text in told.items()
        for what, canary in CANARIES.items()
        if canary in text
    ]
    assert leaks == []


PLACES: dict[str, Callable[[str], dict[str, Any]]] = {
    "payment_method": lambda card: body(payment_method=card),
    "payment_method with its prefix": lambda card: body(payment_method=f"pm_{card}"),
    "sku": lambda card: body(lines=[{"sku": card, "quantity": 1}]),
    "name": lambda card: body() | {"shipping_address": AddressFactory(name=f"Ada {card}")},
    "line1": lambda card: body() | {"shipping_address": AddressFactory(line1=card)},
    "line2": lambda card: body() | {"shipping_address": AddressFactory(line2=f"card: {card} 12/30")},
    "an unknown field": lambda card: body() | {card: 1},
    "the value of an unknown field": lambda card: body() | {"card_number": card},
    "quantity": lambda card: body(lines=[{"sku": "MUG", "quantity": int(card.replace(" ", "").replace("-", ""))}]),
}


@pytest.mark.parametrize("card", [CARD, "4000 0566 5566 5556", "4000-0566-5566-5556", "378282246310005"])
def test_a_card_number_is_refused_wherever_it_is_put_and_never_repeated(
    card: str, shopper: Shopper, sandbox: Provider, lines: io.StringIO
):
    for place, make in PLACES.items():
        answer = shopper.post("orders", make(card))
        assert answer.status_code == 400, (place, answer.content)
        assert card not in answer.content.decode(), place

    refused = shopper.get(f"products/{card}")
    assert (refused.status_code, card in refused.content.decode()) == (404, False)
    assert card not in lines.getvalue()
    stored = [
        model._meta.label
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and card in rows_of(model)
    ]
    assert stored == []


def test_a_product_code_that_is_no_card_number_is_still_sold(shopper: Shopper, sandbox: Provider):
    gtin = ProductFactory(sku="4006381333931")

    assert shopper.place(lines=[{"sku": gtin, "quantity": 1}]).status_code == 201
