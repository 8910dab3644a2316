"""Orders for staff: read everything, cancel and refund through the same use cases as the API, resume what is parked."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget

from orders import services
from orders.models import Contact, Inbox, Order, OrderLine, OrderStatus, Outbox, Saga
from orders.rules import CancelReason
from orders.sagas.run import cancel_order, refund_part, resume
from shop.admin import (
    InboxAdmin,
    OutboxAdmin,
    ReadOnlyAdmin,
    ReadOnlyInline,
    action,
    confirmation,
    display,
    money,
    pretty_json,
    register_tile,
    status_badge,
)
from shop.cards import refuse_card_number
from shop.money import Money
from shop.timeline import story_of

STATUS_COLORS: dict[str, str] = {
    OrderStatus.CONFIRMED: "success",
    OrderStatus.SHIPPED: "success",
    OrderStatus.DELIVERED: "success",
    OrderStatus.PENDING: "info",
    OrderStatus.AWAITING_PAYMENT: "info",
    OrderStatus.CONFIRMING: "info",
    OrderStatus.CANCELING: "warning",
    OrderStatus.REFUNDING: "warning",
    OrderStatus.CANCELED: "danger",
    OrderStatus.REFUNDED: "danger",
}


class OrderLineInline(ReadOnlyInline):
    """What was sold."""

    model = OrderLine
    fields = readonly_fields = ("sku", "name", "quantity", "unit_price")

    @display(description="unit price")
    def unit_price(self, obj: OrderLine) -> str:
        """Show the price as it was sold."""
        return Money(obj.unit_price_minor, obj.order.currency).localized()


class ContactInline(ReadOnlyInline):
    """Who gets it."""

    model = Contact
    verbose_name_plural = "delivery to"
    fields = readonly_fields = ("name", "email", "line1", "line2", "postal_code", "city", "region", "country")


class SagaInline(ReadOnlyInline):
    """How far its processes are."""

    model = Saga
    fields = readonly_fields = ("name", "waiting_for", "due_at", "attempts", "parked_at", "finished_at", "last_error")


class RefundForm(BaseDialogForm):
    """How much to return."""

    amount_minor = forms.IntegerField(
        min_value=1,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="in minor units: 250 is 2.50 of a two-decimal currency",
    )
    reason = forms.CharField(max_length=80, widget=UnfoldAdminTextInputWidget, validators=[refuse_card_number])


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    """Orders."""

    list_display = ("number", "status_label", "total", "placed_at", "cancel_reason", "tracking_number", "id")
    list_filter = ("status", "cancel_reason", "currency", "placed_at")
    search_fields = ("number", "id__exact", "customer_id__exact", "contact__email")
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": ("number", "status", "total", "story")}),
        ("Times", {"fields": ("placed_at", "pay_before", "confirmed_at", "closed_at")}),
        ("Parcel", {"fields": ("carrier", "tracking_number")}),
        ("Why it was canceled", {"fields": ("cancel_reason", "refusal_json")}),
        (
            "For engineers",
            {"fields": ("id", "customer_id", "version", "payment_method", "pays_at_once", "idempotency_key")},
        ),
    )
    readonly_fields = ("refusal_json", "story", "total")
    inlines = (OrderLineInline, ContactInline, SagaInline)
    actions = ("cancel_selected",)
    actions_detail: Any = ("cancel_one", "refund_one", "resume_one")

    status_label = status_badge(colors=STATUS_COLORS)
    total = money("total_minor", description="total")

    @display(description="refusal")
    def refusal_json(self, obj: Order) -> SafeString:
        """Show the facts of the refusal that canceled it."""
        return pretty_json(obj.refusal) if obj.refusal else SafeString("-")

    @display(description="story")
    def story(self, obj: Order) -> SafeString:
        """Show the whole story, as `manage.py explain_order` tells it."""
        told = story_of(obj.pk)
        lines = [f"{each.at:%Y-%m-%d %H:%M:%S}  {each.context:<14} {each.what}" for each in told.happened]
        lines += [
            f"{f'{each.at:%Y-%m-%d %H:%M:%S}' if each.at else 'next':<19}  {each.context:<14} next: {each.what}"
            for each in told.upcoming
        ]
        return format_html('<pre class="whitespace-pre-wrap text-xs">{}</pre>', "\n".join(lines))

    def has_cancel_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Ask for orders.cancel_order."""
        return request.user.has_perm("orders.cancel_order")

    def has_refund_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Ask for orders.refund_order."""
        return request.user.has_perm("orders.refund_order")

    def has_resume_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Ask for orders.resume_saga."""
        return request.user.has_perm("orders.resume_saga")

    @action(description="Cancel, with a refund where paid", permissions=("cancel",))
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        """Cancel each selected order."""
        for order in queryset:
            self._cancel(request, order)

    @action(
        description="Cancel order",
        permissions=("cancel",),
        url_path="cancel",
        icon="cancel",
        dialog=confirmation(
            "Cancel this order", "Its payment is voided or refunded and its stock goes back.", submit="Cancel the order"
        ),
    )
    def cancel_one(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        """Cancel this order."""
        if order := self.get_object(request, object_id):
            self._cancel(request, order)
        return self.back_to(request, object_id)

    @action(
        description="Refund a part",
        permissions=("refund",),
        url_path="refund",
        icon="currency_exchange",
        dialog={
            "title": "Refund a part",
            "description": "The order goes on; the money goes back to the card it came from.",
            "form_class": RefundForm,
            "form_submit_text": "Refund",
        },
    )
    def refund_one(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Return a part of this order's money."""
        order = self.get_object(request, object_id)
        if order and form.is_valid():
            amount = Money(form.cleaned_data["amount_minor"], order.currency)
            if _same_refund_is_under_way(order.pk, amount):
                self.message_user(
                    request,
                    f"{order}: a refund of {amount} is under way. It is recorded and goes on by itself: "
                    "see its outcome in the story before you refund the same amount once more.",
                    messages.ERROR,
                )
                return self.back_to(request, object_id)
            # One token per page that was shown: a double click refunds once, another amount is another refund.
            shown = request.POST.get("csrfmiddlewaretoken", "") or str(uuid.uuid4())
            operation = f"{shown}:{amount.minor}"
            self.attempt(
                request,
                order,
                f"refunded {amount}",
                lambda: refund_part(
                    order_id=order.pk, operation=operation, amount=amount, reason=form.cleaned_data["reason"]
                ),
            )
        return self.back_to(request, object_id)

    @action(
        description="Resume saga",
        permissions=("resume",),
        url_path="resume",
        icon="play_arrow",
        dialog=confirmation("Resume", "Walk this order as far as it goes now.", submit="Resume"),
    )
    def resume_one(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        """Walk this order's saga now, parked or not."""
        if order := self.get_object(request, object_id):

            def walk() -> None:
                services.resume_saga_now(order_id=order.pk)
                resume(order_id=order.pk)

            self.attempt(request, order, "saga resumed", walk)
        return self.back_to(request, object_id)

    def _cancel(self, request: HttpRequest, order: Order) -> None:
        self.attempt(
            request,
            order,
            "canceled",
            lambda: cancel_order(order_id=order.pk, reason=CancelReason.STAFF_REQUEST),
        )


def _same_refund_is_under_way(order_id: uuid.UUID, amount: Money) -> bool:
    """Say whether a refund of this amount, by whom and by which way ever, still waits for the provider's answer.

    Only the story of payments tells: what was asked for with its amount, and what is being asked again.
    """
    story = story_of(order_id)
    asked_again = [each.what for each in story.upcoming if each.context == "payments"]
    refunds = [
        str(each.facts["refund_id"])
        for each in story.happened
        if each.context == "payments" and "refund_id" in each.facts and each.facts.get("amount") == str(amount)
    ]
    return any(refund_id in what for refund_id in refunds for what in asked_again)


@admin.register(Saga)
class SagaAdmin(ReadOnlyAdmin):
    """Sagas: what is parked comes first."""

    list_display = ("order", "name", "waiting_for", "due_at", "attempts", "parked_at", "finished_at")
    list_filter = ("name", "waiting_for", ("parked_at", admin.EmptyFieldListFilter))
    search_fields = ("order__number", "order__id__exact")
    ordering = ("-parked_at", "-started_at")
    exclude = ("log",)
    readonly_fields = ("log_json",)

    @display(description="log")
    def log_json(self, obj: Saga) -> SafeString:
        """Show the steps it took."""
        return pretty_json(obj.log)


@admin.register(Outbox)
class OrdersOutboxAdmin(OutboxAdmin):
    """Facts of orders on their way out."""


@admin.register(Inbox)
class OrdersInboxAdmin(InboxAdmin):
    """Facts of others at orders."""


def _figures() -> dict[str, object]:
    counts = dict(Order.objects.values_list("status").annotate(count=Count("id")))
    sagas = Saga.objects.filter(finished_at=None).aggregate(
        parked=Count("id", filter=Q(parked_at__isnull=False)), open=Count("id")
    )
    return {status.label: counts[status] for status in OrderStatus if status in counts} | {
        "Sagas under way": sagas["open"],
        "Sagas parked": sagas["parked"],
    }


register_tile("orders", "Orders", _figures)
