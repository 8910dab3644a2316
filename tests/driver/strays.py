"""Money at the provider that no payment of ours knows, as rows that are due: each is a question to the provider."""

from __future__ import annotations

from uuid import uuid4

from django.db.models.functions import Now

from payments.models import StrayIntent, StrayReason


def make_strays(count: int) -> None:
    """Make so many that are due, in the order of their numbers."""
    for number in range(count):
        StrayIntent.objects.create(
            intent_id=f"pi_{number}",
            order_id=uuid4(),
            reason=StrayReason.UNKNOWN_ORDER,
            amount_minor=1,
            currency="EUR",
            due_at=Now(),
        )
