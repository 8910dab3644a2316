"""Payments against the sandbox over real HTTP: its faults, the shopper's bank, and its webhooks, signed as Stripe does."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from django.db.models.functions import Now

from payments import api as payments
from payments.models import Dispute, Payment, Refund, StrayIntent, WebhookEvent
from shop.ids import new_id
from tests.driver.provider import Provider, in_threads, post_webhook, sandbox
from tests.integration.payments.books import PRICE

__all__ = ["in_threads", "post_webhook", "sandbox"]


@pytest.fixture
def order_id() -> uuid.UUID:
    return new_id()


@pytest.fixture
def authorize(sandbox: Provider, order_id: uuid.UUID) -> Callable[..., payments.PaymentState]:
    def run(card: str = "pm_card_visa", *, order: uuid.UUID = order_id) -> payments.PaymentState:
        return payments.authorize_payment(order_id=order, amount=PRICE, payment_method=card)

    return run


@pytest.fixture
def captured(authorize: Callable[..., payments.PaymentState], order_id: uuid.UUID) -> payments.PaymentState:
    authorize()
    return payments.capture_payment(order_id=order_id)


@pytest.fixture
def all_due(database: None) -> Callable[[], None]:
    """Let the moment of everything that waits come."""

    def run() -> None:
        for model in (Payment, Refund, Dispute, StrayIntent, WebhookEvent):
            model.objects.filter(due_at__isnull=False).update(due_at=Now())

    return run
