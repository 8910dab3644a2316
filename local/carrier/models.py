"""What the sandbox carrier remembers; it stands for a carrier's own database."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class SandboxBooking(models.Model):
    """One booking. Nothing here is unique by reference: like real carriers it books twice when it is asked twice.

    Note [A table of shipping's first release]. shipping/migrations/0001 makes the table, in shipping's schema, and this app has
    taken it over as it stands: processes of an earlier release book in it too (docs/adr/0035-what-stands-in.md).
    """

    id = models.BigAutoField(primary_key=True)
    reference = models.UUIDField(db_index=True)
    booked_at = models.DateTimeField(db_default=Now())
    voided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "shipping_sandboxbooking"

    def __str__(self) -> str:
        return f"sandbox booking {self.id} of {self.reference}"
