"""Contacts, letters and the trail of staff end with their retention."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry

from orders.models import Contact, Order
from payments.models import Payment
from shop.personal import retention
from shop.tasks import prune_events, prune_staff_log
from tests.driver.shopper import Shopper
from tests.driver.tables import execute, rows_of
from tests.proof.security.erasure.person import EMAIL, tell_all


@pytest.fixture
def aged(shopper: Shopper, order_in: Callable[[str], uuid.UUID], settings: Any) -> dict[str, uuid.UUID]:
    """Orders past their retention, ended and under way, and a young one."""
    settings.CONTACT_RETENTION_DAYS = 30
    found = {name: order_in(status) for name, status in (("under way", "CONFIRMED"), ("old", "REFUNDED"))}
    execute("orders", "UPDATE orders_order SET placed_at = now() - interval '31 days'")
    found["young"] = order_in("REFUNDED")
    tell_all()
    return found


def test_contacts_past_their_retention_are_erased(aged: dict[str, uuid.UUID], monkeypatch: pytest.MonkeyPatch):
    retention.erase_aged()

    kept = set(Contact.objects.filter(erased_at=None).values_list("pk", flat=True))
    assert kept == {aged["under way"], aged["young"]}
    order = Order.objects.get(pk=aged["old"])
    assert (order.payment_method, order.fingerprint, Payment.objects.get(pk=order.pk).payment_method) == (
        "",
        "erased",
        "",
    )
    assert retention.erase_aged() == 0


def test_pages_of_contacts_that_wait_keep_nobody_from_their_turn(
    aged: dict[str, uuid.UUID], monkeypatch: pytest.MonkeyPatch
):
    from orders.services import personal

    monkeypatch.setattr(personal, "BATCH", 1)

    retention.erase_aged()

    assert Contact.objects.get(pk=aged["old"]).erased_at is not None


def test_retention_leaves_an_order_alone_whose_money_is_not_settled(aged: dict[str, uuid.UUID]):
    execute("payments", "UPDATE payments_payment SET owed_minor = 1 WHERE order_id = %s", aged["old"])

    assert retention.erase_aged() == 0

    assert Contact.objects.get(pk=aged["old"]).erased_at is None
    execute("payments", "UPDATE payments_payment SET owed_minor = 0")


def test_without_an_end_nothing_is_erased(aged: dict[str, uuid.UUID], settings: Any):
    settings.CONTACT_RETENTION_DAYS = 0

    assert retention.erase_aged() == 0
    assert Contact.objects.filter(erased_at=None).count() == 3


def test_discarded_letters_and_the_staff_s_trail_end_with_their_retention(shopper: Shopper, settings: Any):
    from shop.events.inbox import bury

    for _each in range(2):
        bury(context="orders", subscriber="orders.x", attributes={"id": str(uuid.uuid4()), "raw": EMAIL}, error="no")
    execute("orders", "UPDATE orders_inbox SET status = 'DISCARDED'")
    execute(
        "orders",
        "UPDATE orders_inbox SET received_at = now() - interval '366 days' WHERE id = (SELECT min(id) FROM orders_inbox)",
    )
    LogEntry.objects.log_actions(user_id=shopper.user.pk, queryset=[shopper.user, shopper.user], action_flag=2)
    execute(
        "shop",
        "UPDATE django_admin_log SET action_time = now() - interval '3651 days'"
        " WHERE id = (SELECT min(id) FROM django_admin_log)",
    )

    prune_events()
    assert prune_staff_log() == 1

    left = json.loads(rows_of(apps.get_model("orders", "Inbox")))
    assert len(left) == LogEntry.objects.count() == 1
