"""How far the processes over an order have come."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from orders.models.order import Order
from shop.ids import new_id
from shop.models import DueModel


class Saga(DueModel):
    """How far a process over an order has come: when it is looked at next, and the log of its steps.

    Where it stands is the order's status; this row holds what only the engine needs. `waiting_for` is set while it
    rests (for the customer, for a payment method, for its next try), and only then do events hurry it.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="sagas", db_index=False)
    name = models.CharField(max_length=16)
    waiting_for = models.CharField(max_length=32, blank=True)
    parked_at = models.DateTimeField(null=True)
    walked_since = models.DateTimeField(null=True, help_text="Since this time, walks have begun and none has finished.")
    log = models.JSONField(default=list)
    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta(DueModel.Meta):
        constraints = [models.UniqueConstraint(fields=["order", "name"], name="orders_one_saga_of_a_kind")]
        indexes = [
            *DueModel.Meta.indexes,
            models.Index(
                fields=["parked_at"],
                name="orders_saga_parked",
                condition=models.Q(finished_at=None, parked_at__isnull=False),
            ),
            models.Index(
                fields=["walked_since"],
                name="orders_saga_walked",
                condition=models.Q(finished_at=None, walked_since__isnull=False),
            ),
        ]
        permissions = [("resume_saga", "Can resume sagas")]

    def __str__(self) -> str:
        return f"{self.name} of {self.order_id}"
