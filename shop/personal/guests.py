"""Guests whose token is over and who left nothing: deleted, since nobody can ask for them (docs/adr/0040-guests.md)."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now

from shop import transactions
from shop.models import IdempotencyKey, User
from shop.personal.keepers import BATCH, SETTLED, books
from shop.work.turn import take_turn_in_sets

SWEEP = "shop.prune_guests"
# How soon it is seen again whether a guest's orders are still kept.
LOOK_AGAIN = timedelta(days=30)


def prune_guests(*, seconds: float | None = None) -> int:
    """Take a turn at the guests whose token is over; return how many were looked at.

    One with an order whose contact is kept stays, and is looked at again. What the others leave is an id that means nobody.
    """
    return take_turn_in_sets(sweep=SWEEP, context="shop", step=_look, seconds=seconds)


def _look() -> int:
    over = User.objects.filter(guest_until__lte=Now() - SETTLED).order_by("guest_until")
    page = list(over.values_list("pk", flat=True)[:BATCH])
    kept = {customer_id for book in books() for customer_id in book.kept_for(page)}
    gone = [pk for pk in page if pk not in kept]
    with transactions.transaction("shop"):
        User.objects.filter(pk__in=kept).update(guest_until=Now() + LOOK_AGAIN)
        IdempotencyKey.objects.filter(user_id__in=gone).delete()
        User.objects.filter(pk__in=gone, guest_email__isnull=False).delete()
    return len(page)
