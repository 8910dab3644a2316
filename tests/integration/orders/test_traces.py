"""What an order causes is in its trace: in batches, by the worker that wrote it, by a sweep; and an idle shop says nothing."""

from __future__ import annotations

import json
import logging
import uuid
from typing import Any

import pytest
from django.core import mail
from django.db.models.functions import Now
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from notifications.models import Email, EmailKind
from notifications.models import Outbox as EmailFacts
from notifications.services import emails, sending
from orders import services as orders
from orders.events import OrderConfirmed
from orders.sagas import entry
from payments import gateways as payments_gateways
from payments import services as payments
from payments import tasks
from payments.models import Dispute, Payment, Refund, StrayIntent
from shipping.models import Outbox as ShippingFacts
from shipping.models import Shipment
from shipping.services import booking
from shop import transactions
from shop.events.batches import deliver_batch
from shop.events.event import Envelope
from shop.ids import new_id
from shop.money import Money
from shop.observability import tracing
from shop.work import background, sweeps
from tests.driver.factories import NewOrderFactory, offers
from tests.driver.logs import captured
from tests.driver.provider import Provider

pytestmark = pytest.mark.makes_facts_up
TOTAL = Money(2500, "EUR")


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "tracer", provider.get_tracer("bench"))
    return exporter


def trace(letter: str) -> str:
    return f"00-{letter * 32}-{letter * 16}-01"


def place(traceparent: str = "") -> uuid.UUID:
    with tracing.in_trace(traceparent):
        return orders.place_order(new=NewOrderFactory(), offers=offers()).order_id


def confirmed(order_id: uuid.UUID, traceparent: str) -> dict[str, Any]:
    fact = OrderConfirmed(order_id=order_id, total=TOTAL)
    return Envelope(
        event_id=new_id(),
        type=fact.type,
        version=1,
        context="orders",
        aggregate_id=order_id,
        aggregate_version=4,
        occurred_at=fact_time(),
        data=fact.payload(),
        traceparent=traceparent,
    ).to_json()


def fact_time() -> Any:
    from shop import clock

    return clock.now()


def trace_of(span: Any) -> str:
    return f"{span.context.trace_id:032x}"


@pytest.mark.parametrize("recorded", [True, False])
def test_a_batch_of_several_orders_keeps_each_in_its_own_trace(
    database: None, settings: Any, request: pytest.FixtureRequest, recorded: bool
):
    if recorded:
        request.getfixturevalue("spans")
    settings.EVENTS_WAKE_IN_PROCESS = False
    placed = {letter: place() for letter in "abc"}
    deliveries = [confirmed(order_id, trace(letter)) for letter, order_id in placed.items()]

    for subscriber in ("shipping.create_shipment_for_order", "notifications.tell_customer_order_confirmed"):
        deliver_batch(deliveries=[(subscriber, attributes) for attributes in deliveries])

    for facts, rows in ((ShippingFacts, Shipment), (EmailFacts, Email)):
        for letter, order_id in placed.items():
            row = rows._default_manager.get(order_id=order_id)
            (fact,) = facts._default_manager.filter(aggregate_id=row.pk)
            assert fact.traceparent == trace(letter)


def test_mail_and_booking_of_a_sweep_are_in_the_order_s_trace_and_name_it(
    database: None, settings: Any, spans: InMemorySpanExporter
):
    settings.EVENTS_WAKE_IN_PROCESS, settings.SHIPPING_CARRIER = False, "sandbox"
    placed = {letter: place() for letter in "ab"}
    for letter, order_id in placed.items():
        for subscriber in ("shipping.create_shipment_for_order", "notifications.tell_customer_order_confirmed"):
            deliver_batch(deliveries=[(subscriber, confirmed(order_id, trace(letter)))])
    spans.clear()

    with captured(level=logging.INFO) as printed:
        assert (sending.send_due_emails(), booking.book_due_shipments()) == (2, 2)

    told = {(span.name, trace_of(span), span.attributes["order_id"]) for span in spans.get_finished_spans()}
    assert told == {
        (name, letter * 32, str(order_id))
        for name in ("mail send", "carrier book")
        for letter, order_id in placed.items()
    }
    lines = [json.loads(line) for line in printed.getvalue().splitlines()]
    assert {(line["event"], line["trace_id"], line["order_id"]) for line in lines} == {
        (event, letter * 32, str(order_id))
        for event in ("email.sent", "shipment.booked")
        for letter, order_id in placed.items()
    }
    assert {message.extra_headers["X-Trace-ID"] for message in mail.outbox} == {"a" * 32, "b" * 32}


def test_mail_that_is_handed_over_is_sent_in_the_trace_of_who_wrote_it(
    database: None, spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
):
    errands: list[background.Errand] = []
    monkeypatch.setattr(background, "run_soon", errands.append)
    monkeypatch.setattr(background, "errands_left", lambda: 5)
    order_id = place()

    with tracing.in_trace(trace("c")), transactions.transaction("notifications"):
        emails.queue_email(kind=EmailKind.ORDER_CONFIRMED, order_id=order_id)
    (errand,) = errands
    monkeypatch.setattr("shop.events.outbox.trace_of", lambda *_asked: pytest.fail("its trace came with it"))
    errand.run()

    assert [(span.name, trace_of(span)) for span in spans.get_finished_spans()] == [("mail send", "c" * 32)]


def test_an_order_that_the_sweep_resumes_goes_on_in_its_trace(
    database: None, sandbox: Any, mug: str, spans: InMemorySpanExporter
):
    order_id = place(trace("d"))
    spans.clear()
    from orders.models import Outbox, Saga

    Saga.objects.filter(order_id=order_id).update(due_at=Now())

    assert entry.resume_due() == 1

    found = spans.get_finished_spans()
    assert {trace_of(span) for span in found} == {"d" * 32}
    (walk,) = [span for span in found if span.name == "order.resumed"]
    assert walk.attributes["order_id"] == str(order_id)
    traces = Outbox.objects.filter(aggregate_id=order_id).values_list("traceparent", flat=True)
    assert {each.split("-")[1] for each in traces} == {"d" * 32}


def paid(letter: str) -> uuid.UUID:
    order_id = place(trace(letter))
    with tracing.in_trace(trace(letter)):
        entry.resume(order_id=order_id)
    return order_id


def ask_about_payment(sandbox: Provider, order_id: uuid.UUID, post_webhook: Any) -> int:
    Payment.objects.filter(pk=order_id).update(due_at=Now())
    return tasks.resolve_unknown_payments() + 1  # it is as it was


def apply_webhook(sandbox: Provider, order_id: uuid.UUID, post_webhook: Any) -> int:
    intent_id = sandbox.intent(order_id).id
    sandbox.stripe.v1.refunds.create({"payment_intent": intent_id, "amount": 100})
    assert post_webhook(sandbox.events("charge.refunded")[-1]).status_code == 200
    return tasks.apply_webhooks()


def send_refund(sandbox: Provider, order_id: uuid.UUID, post_webhook: Any) -> int:
    sandbox.fail("lost_request", "/v1/refunds")
    with pytest.raises(payments_gateways.PaymentUnknown):
        payments.refund_payment(order_id=order_id, refund_id=new_id(), amount=Money(100, "EUR"), reason="late")
    Refund.objects.update(due_at=Now())
    return tasks.resume_refunds()


def ask_about_dispute(sandbox: Provider, order_id: uuid.UUID, post_webhook: Any) -> int:
    sandbox.control("POST", f"payment_intents/{sandbox.intent(order_id).id}/dispute", {})
    payments.sync_disputes(Payment.objects.get(pk=order_id))
    Dispute.objects.update(due_at=Now())
    return tasks.ask_about_disputes()


def settle_stray(sandbox: Provider, order_id: uuid.UUID, post_webhook: Any) -> int:
    made = {"amount": 100, "currency": "eur", "metadata": {"order_id": str(order_id)}}
    intent = sandbox.stripe.v1.payment_intents.create(made)  # type: ignore[arg-type]
    StrayIntent.objects.create(
        intent_id=intent.id, order_id=order_id, reason="SECOND_INTENT", amount_minor=100, currency="EUR", due_at=Now()
    )
    return tasks.settle_strays()


def reconcile(sandbox: Provider, order_id: uuid.UUID, post_webhook: Any) -> int:
    sandbox.stripe.v1.refunds.create({"payment_intent": sandbox.intent(order_id).id, "amount": 100})
    return tasks.reconcile_recent()


@pytest.mark.parametrize(
    ("sweep", "asked"),
    [
        (ask_about_payment, "provider retrieve"),
        (apply_webhook, "provider list_refunds"),
        (send_refund, "provider refund"),
        (ask_about_dispute, "provider retrieve_dispute"),
        (settle_stray, "provider cancel"),
        (reconcile, "provider list_refunds"),
    ],
)
@pytest.mark.usefixtures("database", "mug")
def test_what_a_sweep_of_payments_asks_for_an_order_is_in_the_order_s_trace_and_names_it(
    sandbox: Any, post_webhook: Any, spans: InMemorySpanExporter, sweep: Any, asked: str
):
    paid("f")
    order_id = paid("e")
    spans.clear()

    assert sweep(sandbox, order_id, post_webhook) == 1

    asking = [span for span in spans.get_finished_spans() if span.name.startswith("provider ")]
    assert asked in {span.name for span in asking}
    assert {(trace_of(span), span.attributes.get("order_id")) for span in asking} == {("e" * 32, str(order_id))}


def test_sweeps_that_find_nothing_leave_no_trace_and_no_line(database: None, sandbox: Any, spans: InMemorySpanExporter):
    for sweep in sweeps.sweeps():  # what is written once
        sweep.run_in_place()
    spans.clear()

    with captured(level=logging.INFO) as printed:
        for sweep in sweeps.sweeps():
            sweep.run_in_place()

    assert printed.getvalue() == ""
    assert [span.name for span in spans.get_finished_spans()] == []
