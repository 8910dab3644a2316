"""Rows of shipping that are due, and what the audit finds in it."""

from datetime import timedelta
from typing import Any

from django.db.models.functions import Now

from shipping.models import Shipment, SurplusBooking
from shop.audit import checks


def make_due(row: Shipment | SurplusBooking) -> None:
    """Let the moment that the row waits for come."""
    rows: Any = type(row)._default_manager
    rows.filter(pk=row.pk, due_at__isnull=False).update(due_at=Now() - timedelta(seconds=1))


# Here facts are delivered that nobody has told, for orders that do not exist.
OF_OTHERS = {"each confirmed order has its shipment", "every fact that was heard was told"}


def found() -> list[tuple[str, str]]:
    """Return what the audit finds in shipping: the promise and its subject."""
    return [
        (violation.promise, violation.subject)
        for check in checks()
        if check.context == "shipping" and check.title not in OF_OTHERS
        for violation in check.run()
    ]
