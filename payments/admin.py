"""Payments' pages for staff: read-only; asking the provider and refunding go through the services, by permission."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from payments import services
from payments.models import Outbox, Payment, PaymentStatus, Refund, RefundStatus, StrayIntent, WebhookEvent
from payments.queries import payment_figures
from shop.admin import (
    OutboxAdmin,
    ReadOnlyAdmin,
    ReadOnlyInline,
    action,
    confirmation,
    money,
    register_tile,
    status_badge,
)
from shop.ids import derived_id

register_tile("payments", "Payments", payment_figures)


class RefundInline(ReadOnlyInline):
    """A payment's refunds."""

    model = Refund
    fields = ("refund_id", "status", "amount_minor", "reason", "failure_code", "created_at")
    readonly_fields = fields


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    """Payments, and what may be done about one."""

    list_display = ("order_id", "status_label", "amount_shown", "refunded_shown", "decline_code", "changed_at")
    list_filter = ("status", "currency")
    search_fields = ("order_id__exact", "intent_id__exact")
    ordering = ("-created_at",)
    inlines = (RefundInline,)
    actions = ("ask_about_selected",)
    actions_detail: Any = ("ask_about_one", "refund_one")

    status_label = status_badge(
        colors={
            PaymentStatus.CAPTURED: "success",
            PaymentStatus.AUTHORIZED: "info",
            PaymentStatus.REQUIRES_ACTION: "warning",
            PaymentStatus.UNKNOWN: "danger",
            PaymentStatus.DECLINED: "warning",
        }
    )
    amount_shown = money("amount_minor")
    refunded_shown = money("refunded_minor")

    def has_ask_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Ask for the permission to have the provider asked."""
        return request.user.has_perm("payments.ask_provider")

    def has_refund_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Ask for the permission to give money back."""
        return request.user.has_perm("payments.refund_payment_in_full")

    @action(description="Ask the provider how it stands", permissions=("ask",))
    def ask_about_selected(self, request: HttpRequest, queryset: QuerySet[Payment]) -> None:
        """Ask the provider about each selected payment and record what it says."""
        for payment in queryset:
            self._ask(request, payment)

    @action(
        description="Ask the provider",
        permissions=("ask",),
        url_path="ask",
        icon="sync",
        dialog=confirmation("Ask the provider", "Retrieve the intent and record how it stands.", submit="Ask"),
    )
    def ask_about_one(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        """Ask the provider about this payment and record what it says."""
        if payment := self.get_object(request, object_id):
            self._ask(request, payment)
        return self.back_to(request, object_id)

    @action(
        description="Refund what is left",
        permissions=("refund",),
        url_path="refund",
        icon="undo",
        dialog=confirmation(
            "Refund what is left",
            "The customer gets back all that was taken and not yet refunded. The order itself is not canceled: "
            "cancel it instead where its stock should come back.",
            submit="Refund",
        ),
    )
    def refund_one(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        """Give back all that is left. A second click is the same refund, until the first has worked or was refused."""
        if payment := self.get_object(request, object_id):
            refused = Refund.objects.filter(payment=payment, status=RefundStatus.FAILED).count()
            refund_id = derived_id("staff refund", payment.pk, payment.version, refused)
            self.attempt(
                request,
                payment,
                "refunded what was left",
                lambda: services.refund_payment(order_id=payment.pk, refund_id=refund_id, amount=None, reason="staff"),
            )
        return self.back_to(request, object_id)

    def _ask(self, request: HttpRequest, payment: Payment) -> None:
        self.attempt(request, payment, "asked the provider", lambda: services.refresh_payment(order_id=payment.pk))


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    """Refunds."""

    list_display = ("refund_id", "payment", "status_label", "amount_minor", "reason", "created_at", "due_at")
    list_filter = ("status", "reason")
    search_fields = ("refund_id__exact", "payment__order_id__exact", "provider_refund_id__exact")
    ordering = ("-created_at",)

    status_label = status_badge(
        colors={
            RefundStatus.SUCCEEDED: "success",
            RefundStatus.PENDING: "info",
            RefundStatus.REQUESTED: "warning",
            RefundStatus.FAILED: "danger",
        }
    )


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

    amount_shown = money("amount_minor")


@admin.register(Outbox)
class PaymentsOutboxAdmin(OutboxAdmin):
    """What payments has told the others."""
