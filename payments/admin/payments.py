"""Payments and refunds in the admin, and what may be done about one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse

from payments import services
from payments.admin.asking import AsksProvider
from payments.models import (
    Dispute,
    DisputeStatus,
    Payment,
    PaymentStatus,
    Refund,
    RefundStatus,
)
from shop.admin import (
    Otherwise,
    ReadOnlyAdmin,
    ReadOnlyInline,
    action,
    bulk_action,
    confirmation,
    display,
    in_words,
    money,
    row_of,
    status_badge,
)
from shop.ids import derived_id
from shop.money import Money

# Shown as people read them.
PAYMENT_SUMS = (
    "amount_minor",
    "captured_minor",
    "refunded_minor",
    "refund_reserved_minor",
    "owed_minor",
    "settled_minor",
    "lost_minor",
)
PAYMENT_SUMS_SHOWN = (
    "amount_shown",
    "captured_shown",
    "refunded_shown",
    "reserved_shown",
    "owed_shown",
    "settled_shown",
    "lost_shown",
)


class RefundInline(ReadOnlyInline):
    """A payment's refunds."""

    model = Refund
    fields = ("refund_id", "status", "amount_shown", "reason", "failed_for", "created_at")
    readonly_fields = fields

    amount_shown = money("amount_minor", "payment.currency")
    failed_for = in_words("failure_code")


class DisputeInline(ReadOnlyInline):
    """A payment's disputes."""

    model = Dispute
    fields = ("provider_dispute_id", "status", "amount_shown", "reason_shown", "evidence_due_at", "closed_at")
    readonly_fields = fields

    amount_shown = money("amount_minor")
    reason_shown = in_words("reason")


class OwedFilter(admin.SimpleListFilter):
    """Payments whose customers are owed money that a refund failed to bring."""

    title = "owed to the customer"
    parameter_name = "owed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Offer the list of those that wait for staff."""
        return [("yes", "Money is owed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Payment]) -> QuerySet[Payment]:
        """Keep those that owe."""
        return queryset.filter(owed_minor__gt=0) if self.value() == "yes" else queryset


def _left_in_a_line(object_id: object) -> str:
    payment = row_of(Payment, object_id)
    if payment is None:
        return "There is no such payment."
    if not payment.refundable.minor:  # one that was closed before it began has no currency of its own
        return f"Nothing is left to refund for order {payment.pk}"
    taken = Money(payment.captured_minor, payment.currency)
    return f"{payment.refundable.localized()} of {taken.localized()} is left to refund for order {payment.pk}"


def _owed_in_a_line(object_id: object) -> str:
    payment = row_of(Payment, object_id)
    if payment is None:
        return "There is no such payment."
    owed = Money(payment.owed_minor, payment.currency)
    return f"{owed.localized() if owed.minor else 'Nothing'} is owed to the customer of order {payment.pk}"


@admin.register(Payment)
class PaymentAdmin(AsksProvider):
    """Payments, and what may be done about one."""

    list_display = (
        "order_id",
        "status_label",
        "amount_shown",
        "refunded_shown",
        "owed_shown",
        "dispute_shown",
        "declined_for",
        "changed_at",
    )
    list_filter = (OwedFilter, "status", "dispute_status", "currency")
    search_fields = ("order_id__exact", "intent_id__exact")
    ordering = ("-order_id",)
    urgent = Q(owed_minor__gt=0)
    fieldsets = (
        (None, {"fields": ("order_id", "status", *PAYMENT_SUMS_SHOWN, "dispute_shown", "declined_for", "voided_for")}),
        (
            "For engineers",
            {
                "fields": (
                    *("currency", "payment_method", "refused", "may_try_another"),
                    *("intent_id", "attempt", "attempt_began_at"),
                    *("created_at", "changed_at", "due_at", "attempts", "last_error", "version"),
                )
            },
        ),
    )
    inlines = (RefundInline, DisputeInline)
    exclude = (*PAYMENT_SUMS, "decline_code", "void_reason", "dispute_status")
    readonly_fields = (*PAYMENT_SUMS_SHOWN, "dispute_shown", "declined_for", "voided_for")
    actions = ("ask_about_selected",)
    actions_detail: Any = ("ask_about_one", "refund_one", "settle_one")

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
    owed_shown = money("owed_minor")
    captured_shown = money("captured_minor")
    reserved_shown = money("refund_reserved_minor", description="set aside for refunds under way")
    settled_shown = money("settled_minor", description="paid back otherwise")
    lost_shown = money("lost_minor", description="lost to disputes")
    declined_for = in_words("decline_code")
    voided_for = in_words("void_reason")

    @display(description="dispute", ordering="dispute_status")
    def dispute_shown(self, payment: Payment) -> str:
        """Show how its dispute stands."""
        return str(DisputeStatus(payment.dispute_status).label) if payment.dispute_status else "-"

    def has_refund_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Ask for the permission to give money back."""
        return request.user.has_perm("payments.refund_payment_in_full")

    @bulk_action(
        description="Ask the provider how it stands",
        consequence="The provider is asked about each payment, one after the other, and what it says is recorded.",
        permissions=("ask",),
    )
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
            about=_left_in_a_line,
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
                lambda: _refund_the_rest(payment, refund_id),
            )
        return self.back_to(request, object_id)

    @action(
        description="Owed money paid another way",
        permissions=("refund",),
        url_path="settle",
        icon="account_balance",
        dialog=confirmation(
            "Owed money paid another way",
            "You have paid the customer all that is owed in another way, such as a bank transfer. It will not be refunded "
            "any more.",
            submit="It was paid",
            about=_owed_in_a_line,
        ),
    )
    def settle_one(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        """Record that what is owed was paid by another way."""
        if payment := self.get_object(request, object_id):
            self.attempt(
                request, payment, "paid what was owed another way", lambda: services.settle_owed(order_id=payment.pk)
            )
        return self.back_to(request, object_id)

    def _ask(self, request: HttpRequest, payment: Payment) -> None:
        self.attempt(request, payment, "asked the provider", lambda: services.refresh_payment(order_id=payment.pk))


def _refund_the_rest(payment: Payment, refund_id: UUID) -> Otherwise | None:
    """Give back what is left; return what to say where nothing was."""
    if not payment.refundable.minor and not payment.refund_reserved_minor:
        return Otherwise("nothing is left to refund")
    services.refund_payment(order_id=payment.pk, refund_id=refund_id, amount=None, reason="staff")
    return None


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    """Refunds."""

    list_display = ("refund_id", "payment", "status_label", "amount_shown", "reason", "created_at", "due_at")
    list_select_related = ("payment",)
    exclude = ("amount_minor", "failure_code")
    readonly_fields = ("amount_shown", "failed_for")
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
    amount_shown = money("amount_minor", "payment.currency")
    failed_for = in_words("failure_code")
