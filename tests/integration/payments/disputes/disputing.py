"""Refunds and books of a payment that is disputed, and what was told of it."""

from __future__ import annotations

from datetime import timedelta

from payments import api as payments
from payments.models import Outbox
from shop.clock import now
from shop.ids import new_id
from shop.money import Money

ALL = ("created", "updated", "closed", "funds_withdrawn", "funds_reinstated")
NOTHING = Money(0, "EUR")


def refund(order_id, minor=None):
    amount = None if minor is None else Money(minor, "EUR")
    return payments.refund_payment(order_id=order_id, refund_id=new_id(), amount=amount, reason="staff")


def state(order_id):
    return payments.get_payment(order_id=order_id)


def reconcile():
    return payments.reconcile_payments(since=now() - timedelta(hours=1))


def facts():
    told = Outbox.objects.filter(type__startswith="payment.dispute_").order_by("id")
    return [(fact.type.removeprefix("payment.dispute_"), fact.payload["status"]) for fact in told]
