"""The sandbox carrier in the admin."""

from __future__ import annotations

from django.contrib import admin

from local.carrier.models import SandboxBooking
from shop.admin import ReadOnlyAdmin


@admin.register(SandboxBooking)
class SandboxBookingAdmin(ReadOnlyAdmin):
    """What the sandbox carrier remembers."""

    list_display = ("id", "reference", "booked_at", "voided_at")
    search_fields = ("reference__exact",)
    ordering = ("-id",)
