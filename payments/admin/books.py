"""The provider's notices, and the money there that no payment of ours stands for: read-only."""

from __future__ import annotations

from django.contrib import admin

from payments.models import StrayIntent, WebhookEvent
from shop.admin import ReadOnlyAdmin, money


@admin.register(WebhookEvent)
class WebhookEventAdmin(ReadOnlyAdmin):
    """The provider's notices."""

    list_display = ("event_id", "type", "intent_id", "received_at", "applied_at", "outcome", "attempts")
    list_filter = ("type", "outcome", ("applied_at", admin.EmptyFieldListFilter))
    search_fields = ("event_id__exact", "intent_id__exact")
    ordering = ("-id",)


@admin.register(StrayIntent)
class StrayIntentAdmin(ReadOnlyAdmin):
    """Money at the provider that no payment of ours stands for."""

    list_display = ("intent_id", "order_id", "reason", "amount_shown", "found_at", "settled_at", "outcome")
    list_filter = ("reason", ("settled_at", admin.EmptyFieldListFilter))
    search_fields = ("intent_id__exact", "order_id__exact")
    ordering = ("-id",)
    exclude = ("amount_minor",)
    readonly_fields = ("amount_shown",)

    amount_shown = money("amount_minor")
