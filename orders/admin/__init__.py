"""Orders' pages of the admin."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models.functions import Now

from orders.admin import books, orders, prices
from orders.models import Order, OrderStatus, Saga
from orders.rules import LOOPING
from shop.admin import register_tile
from shop.counting import shown_count

__all__ = ["books", "orders", "prices"]


def _figures() -> Mapping[str, object]:
    counts = {status.label: shown_count(Order.objects.filter(status=status)) for status in OrderStatus}
    sagas = Saga.objects.filter(finished_at=None)
    return {label: count for label, count in counts.items() if count != "0"} | {
        "Sagas under way": shown_count(sagas.filter(due_at__isnull=False)),
        "Sagas walked again and again": shown_count(sagas.filter(walked_since__lt=Now() - LOOPING)),
        "Sagas parked": shown_count(sagas.filter(parked_at__isnull=False)),
    }


register_tile("orders", "Orders", _figures)
