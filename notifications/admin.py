"""Notifications in the admin: everything can be read; staff have an email that was given up sent again."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from notifications.models import Email, EmailStatus, LinkRequest
from notifications.queries import dashboard_figures
from notifications.services import emails
from shop.admin import (
    ReadOnlyAdmin,
    action,
    bulk_action,
    confirmation,
    display,
    in_words,
    register_tile,
    status_badge,
)

register_tile("notifications", "Emails", dashboard_figures)


@admin.register(Email)
class EmailAdmin(ReadOnlyAdmin):
    """Emails; the address and the text are made when one is sent, and kept nowhere."""

    list_display = (
        "id",
        "order_id",
        "kind",
        "reason_shown",
        "refunded",
        "status_label",
        "attempts",
        "queued_at",
        "sent_at",
        "due_at",
    )
    list_filter = ("status", "kind", "queued_at")
    search_fields = ("id__exact", "order_id__exact")
    ordering = ("-id",)
    exclude = ("reason", "amount_minor", "currency")
    readonly_fields = ("reason_shown", "refunded")
    actions = ("send_selected_again",)
    actions_detail: Any = ("send_one_again",)

    status_label = status_badge(
        colors={
            EmailStatus.PENDING: "info",
            EmailStatus.SENT: "success",
            EmailStatus.FAILED: "danger",
            EmailStatus.WITHHELD: "warning",
        }
    )

    reason_shown = in_words("reason")

    @display(description="refunded", ordering="amount_minor")
    def refunded(self, email: Email) -> str:
        """Show what the refund gave back that this email tells of."""
        return email.amount.localized() if email.amount else "-"

    @action(
        description="Send again",
        url_path="send-again",
        icon="send",
        dialog=confirmation(
            "Send again", "Only an email that was given up or withheld is sent again.", submit="Send again"
        ),
    )
    def send_one_again(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        """Send this email again."""
        if email := self.get_object(request, object_id):
            self._send_again(request, email)
        return self.back_to(request, object_id)

    @bulk_action(
        description="Send again", consequence="Each email that was given up or withheld is sent to its customer."
    )
    def send_selected_again(self, request: HttpRequest, queryset: QuerySet[Email]) -> None:
        """Send the selected emails again."""
        for email in queryset:
            self._send_again(request, email)

    def _send_again(self, request: HttpRequest, email: Email) -> None:
        self.attempt(request, email, "queued again", lambda: emails.send_again(email_id=email.pk))


@admin.register(LinkRequest)
class LinkRequestAdmin(ReadOnlyAdmin):
    """Who asked for the link of an order; one that fits no order is gone once it was looked at."""

    list_display = ("asked_at", "number", "order_id", "told_at", "due_at", "attempts")
    search_fields = ("number__exact", "order_id__exact")
    ordering = ("-id",)
    exclude = ("recipient_key",)
