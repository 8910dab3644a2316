"""A notice of the provider, as it came and as it was applied."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from shop.models import DueModel


class WebhookEvent(DueModel):
    """A verified notice of the provider: kept by its id, answered with 200, then applied by asking how things stand."""

    id = models.BigAutoField(primary_key=True)
    event_id = models.CharField(max_length=255, unique=True)
    type = models.CharField(max_length=80)
    intent_id = models.CharField(max_length=255)
    received_at = models.DateTimeField(db_default=Now())
    applied_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=40, blank=True)

    class Meta(DueModel.Meta):
        indexes = [*DueModel.Meta.indexes, models.Index(fields=["intent_id"], name="payments_webhook_intent")]

    def __str__(self) -> str:
        return f"{self.type} of {self.intent_id}"
