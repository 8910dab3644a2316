"""Sagas: read-only."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Q
from django.utils.safestring import SafeString

from orders.models import Saga
from shop.admin import ReadOnlyAdmin, display, in_words, pretty_json


@admin.register(Saga)
class SagaAdmin(ReadOnlyAdmin):
    """Sagas: what is parked comes first."""

    list_display = ("order", "name", "waits_for", "due_at", "attempts", "parked_at", "walked_since", "finished_at")
    list_filter = ("name", "waiting_for", ("parked_at", admin.EmptyFieldListFilter))
    search_fields = ("order__number", "order__id")
    ordering = ("-id",)
    urgent = Q(finished_at=None, parked_at__isnull=False)
    exclude = ("log", "waiting_for")
    readonly_fields = ("waits_for", "log_json")

    waits_for = in_words("waiting_for")

    @display(description="log")
    def log_json(self, obj: Saga) -> SafeString:
        """Show the steps it took."""
        return pretty_json(obj.log)
