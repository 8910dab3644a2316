"""The kernel's tables and abstract rows. Contexts subclass; nothing here knows them."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.db import models
from django.db.models import Func, Value
from django.db.models.functions import Now, Upper

from shop import transactions
from shop.accounts.users import User
from shop.ids import new_id
from shop.resilience.retry import backoff_seconds

__all__ = [
    "DueModel",
    "Erasure",
    "GuestTaking",
    "HearingLook",
    "IdempotencyKey",
    "RunningSweep",
    "Subscription",
    "User",
]


class DueModel(models.Model):
    """A row with work waiting: `due_at` says when, null says never. shop/work/ claims it by pushing `due_at` ahead."""

    due_at = models.DateTimeField(null=True, blank=True, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    last_error = models.TextField(blank=True, default="", editable=False)

    class Meta:
        abstract = True
        indexes = [
            models.Index(
                fields=["due_at"], name="%(app_label)s_%(class)s_due", condition=models.Q(due_at__isnull=False)
            )
        ]

    @classmethod
    def postpone(cls, pk: uuid.UUID | int, *, error: str, attempts: int, cap_seconds: float = 300) -> float:
        """Note failed attempt number `attempts` and set the next moment by backoff; return the wait in seconds."""
        context = cls._meta.app_label
        wait = backoff_seconds(attempts, cap=cap_seconds)
        with transactions.transaction(context):
            cls._default_manager.using(transactions.alias_for(context)).filter(pk=pk, due_at__isnull=False).update(
                due_at=Now() + timedelta(seconds=wait), attempts=attempts, last_error=error[-4000:]
            )
        return wait


# A path that names a row by its UUID, and that UUID, in capitals.
NAMES_A_ROW = "[0-9A-Fa-f]{8}-"
ABOUT_A_ROW = Func(
    Upper("path"),
    Value("[0-9A-F]{8}-[0-9A-F-]{27}"),
    function="SUBSTRING",
    output_field=models.CharField(max_length=36),
)


class IdempotencyKey(models.Model):
    """The final answer that one user's Idempotency-Key got, kept to be given again (see shop.rest.idempotency)."""

    user_id = models.UUIDField(editable=False)
    key = models.CharField(max_length=200, editable=False)
    method = models.CharField(max_length=10, editable=False)
    path = models.CharField(max_length=500, editable=False)
    fingerprint = models.CharField(max_length=64, editable=False)
    response_status = models.PositiveSmallIntegerField(editable=False)
    response_headers = models.JSONField(editable=False)
    response_body = models.TextField(editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user_id", "key"], name="shop_idempotency_key_once")]
        indexes = [
            # Not of the path that every order is placed by.
            models.Index(ABOUT_A_ROW, name="shop_idempotency_about", condition=models.Q(path__regex=NAMES_A_ROW))
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.path}: {self.response_status}"


class RunningSweep(models.Model):
    """A place that a run of a sweep has, or had, until a moment (see shop.work.places). Not logged: empty after a crash.

    `asked_again`: somebody asked for the sweep while it ran, so it looks once more before it ends.
    """

    sweep = models.CharField(max_length=80, editable=False)
    place = models.PositiveSmallIntegerField(editable=False)
    until = models.DateTimeField(editable=False)
    asked_again = models.BooleanField(default=False, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["sweep", "place"], name="shop_running_sweep_once")]

    def __str__(self) -> str:
        return f"{self.sweep} ({self.place}) until {self.until}"


class Subscription(models.Model):
    """Since when a subscriber hears facts of a type, on these terms (see shop.events.unheard)."""

    subscriber = models.CharField(max_length=120, editable=False)
    event_type = models.CharField(max_length=80, editable=False)
    terms = models.CharField(max_length=80, blank=True, editable=False)
    since = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subscriber", "event_type", "terms"], name="shop_subscription_once")
        ]

    def __str__(self) -> str:
        return f"{self.subscriber} hears {self.event_type} since {self.since}"


class HearingLook(models.Model):
    """How far a context's outbox has been looked through for facts that nobody heard, in the order of publication."""

    context = models.CharField(max_length=40, unique=True, editable=False)
    published_at = models.DateTimeField(editable=False)
    last_id = models.BigIntegerField(default=0, editable=False)

    def __str__(self) -> str:
        return f"{self.context} until {self.published_at}"


class GuestTaking(DueModel):
    """A guest whose orders an account takes along, since it has verified the guest's mailbox; done, the row goes."""

    guest_id = models.UUIDField(primary_key=True, editable=False)
    customer_id = models.UUIDField(editable=False)
    asked_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta(DueModel.Meta):
        pass

    def __str__(self) -> str:
        return f"taking of guest {self.guest_id}"


class Erasure(DueModel):
    """A person who is to be erased, or was (shop.personal.erasure). Finished, the row knows the account's former id only.

    `sessions_clean_since`: when the last walk through all sessions began; one that is not through has read up to the
    sessions whose keys begin with `sessions_read_to`, of which it keeps the beginning only: a key opens a session.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user_id = models.UUIDField(null=True, db_index=True, editable=False)
    guests = models.JSONField(default=list, db_default=[], editable=False)
    addresses = models.JSONField(default=list, editable=False)
    account_emails = models.JSONField(default=list, editable=False)
    asked_by = models.CharField(
        max_length=150,
        editable=False,
        help_text="The id of the member of staff, or the system user who ran the command.",
    )
    asked_at = models.DateTimeField(db_default=Now(), editable=False)
    waiting_for = models.JSONField(default=list, editable=False)
    sessions_read_to = models.CharField(max_length=8, blank=True, default="", editable=False)
    sessions_began_at = models.DateTimeField(null=True, editable=False)
    sessions_clean_since = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)

    class Meta(DueModel.Meta):
        indexes = [
            *DueModel.Meta.indexes,
            models.Index(fields=["asked_at"], name="shop_erasure_open", condition=models.Q(finished_at=None)),
        ]
        constraints = [
            models.CheckConstraint(
                name="shop_erasure_finished_forgets",
                condition=models.Q(finished_at=None)
                | models.Q(due_at=None, addresses=[], account_emails=[], waiting_for=[]),
            ),
        ]
        permissions = [("erase_person", "Can erase a person")]

    def __str__(self) -> str:
        return f"erasure {self.pk}"
