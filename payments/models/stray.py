"""An intent at the provider that stands for no payment of ours."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from shop.models import DueModel


class StrayReason(models.TextChoices):
    """Why the provider holds an intent that no payment of ours stands for."""

    LATE_CAPTURE = "LATE_CAPTURE", "money was taken after we had closed the payment"
    SECOND_INTENT = "SECOND_INTENT", "the order's payment uses another intent"
    UNKNOWN_ORDER = "UNKNOWN_ORDER", "there is no such payment here"


class StrayIntent(DueModel):
    """An intent at the provider that must not hold money: canceled or refunded, and kept for a human to see."""

    id = models.BigAutoField(primary_key=True)
    intent_id = models.CharField(max_length=255, unique=True)
    order_id = models.UUIDField()
    reason = models.CharField(max_length=20, choices=StrayReason.choices)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    found_at = models.DateTimeField(db_default=Now())
    settled_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=40, blank=True)

    class Meta(DueModel.Meta):
        pass

    def __str__(self) -> str:
        return f"stray intent {self.intent_id}: {self.get_reason_display()}"
