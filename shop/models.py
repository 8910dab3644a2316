"""The kernel's tables and abstract rows. Contexts subclass; nothing here knows them."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.db import connections, models
from django.db.models.functions import Now

from shop import transactions
from shop.accounts import User
from shop.resilience.retry import backoff_seconds

__all__ = ["DueModel", "IdempotencyKey", "User"]


class DueModel(models.Model):
    """A row with work waiting: `due_at` says when, null says never. Work is claimed by pushing `due_at` ahead.

    The claim is a lease and saves duplicate work only; whoever lost it may still finish and does no harm.
    """

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
    def claim_due(cls, *, limit: int, lease_seconds: float) -> list[Any]:
        """Claim up to `limit` rows whose moment has come, oldest first, and return their primary keys."""
        context = cls._meta.app_label
        alias = transactions.alias_for(context)
        quote = connections[alias].ops.quote_name
        table, key = quote(cls._meta.db_table), quote(str(cls._meta.pk.column))
        with transactions.transaction(context), connections[alias].cursor() as cursor:
            cursor.execute(
                f"WITH due AS (SELECT {key} FROM {table} WHERE due_at <= now() ORDER BY due_at LIMIT %s"
                f" FOR UPDATE SKIP LOCKED) UPDATE {table} AS claimed SET due_at = now() + make_interval(secs => %s) FROM due"
                f" WHERE claimed.{key} = due.{key} RETURNING claimed.{key}",
                [limit, lease_seconds],
            )
            return [row[0] for row in cursor.fetchall()]

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
        indexes = [models.Index(fields=["created_at"], name="shop_idempotency_key_age")]

    def __str__(self) -> str:
        return f"{self.method} {self.path}: {self.response_status}"
