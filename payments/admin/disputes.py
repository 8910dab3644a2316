"""Disputes in the admin: they are answered at the provider."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest, HttpResponse

from payments import services
from payments.admin.asking import AsksProvider
from payments.models import OPEN_DISPUTES, UNANSWERED_DISPUTES, Dispute, DisputeStatus
from shop.admin import (
    action,
    confirmation,
    display,
    in_words,
    money,
    status_badge,
)


@admin.register(Dispute)
class DisputeAdmin(AsksProvider):
    """Disputes: they are answered at the provider; here stands what that decides."""

    list_display = (
        "provider_dispute_id",
        "payment",
        "status_label",
        "amount_shown",
        "reason_shown",
        "evidence_due_at",
        "what_to_do",
        "opened_at",
        "closed_at",
    )
    list_filter = ("status", "reason", ("closed_at", admin.EmptyFieldListFilter))
    search_fields = ("provider_dispute_id__exact", "payment__order_id__exact")
    ordering = ("-opened_at",)
    urgent = Q(status__in=UNANSWERED_DISPUTES)
    exclude = ("amount_minor", "withdrawn_minor", "fee_minor", "reason")
    readonly_fields = ("amount_shown", "withdrawn_shown", "fee_shown", "reason_shown")
    actions_detail: Any = ("ask_about_one",)

    status_label = status_badge(
        colors={
            DisputeStatus.NEEDS_RESPONSE: "danger",
            DisputeStatus.APPEAL_NEEDS_RESPONSE: "danger",
            DisputeStatus.WARNING_NEEDS_RESPONSE: "warning",
            DisputeStatus.UNDER_REVIEW: "info",
            DisputeStatus.APPEAL_UNDER_REVIEW: "info",
            DisputeStatus.WARNING_UNDER_REVIEW: "info",
            DisputeStatus.WON: "success",
            DisputeStatus.LOST: "danger",
        }
    )
    amount_shown = money("amount_minor")
    withdrawn_shown = money("withdrawn_minor", "account_currency")
    fee_shown = money("fee_minor", "account_currency")
    reason_shown = in_words("reason")

    @display(
        description="what to do", label={"answer it at the provider": "danger", "decide about the parcel": "warning"}
    )
    def what_to_do(self, dispute: Dispute) -> str:
        """Say what waits for staff."""
        if dispute.status in UNANSWERED_DISPUTES:
            return "answer it at the provider"
        if dispute.status in OPEN_DISPUTES:
            return "wait for the bank"
        return "decide about the parcel" if dispute.lost_minor else "-"

    @action(
        description="Ask the provider",
        permissions=("ask",),
        url_path="ask",
        icon="sync",
        dialog=confirmation("Ask the provider", "Retrieve the dispute and record how it stands.", submit="Ask"),
    )
    def ask_about_one(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        """Ask the provider about this dispute and record what it says."""
        if dispute := self.get_object(request, object_id):
            self.attempt(
                request,
                dispute,
                "asked the provider",
                lambda: services.ask_about_dispute(dispute_id=dispute.pk),
            )
        return self.back_to(request, object_id)
