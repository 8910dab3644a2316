"""Orders for staff: read everything, cancel and refund through the same use cases as the API, resume what is parked."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextInputWidget

from orders import services
from orders.models import (
    CALLED_OFF,
    Adjustment,
    CodeUse,
    Contact,
    ContactDetails,
    Order,
    OrderLine,
    OrderStatus,
    Saga,
)
from orders.queries import SAID_BY_SOME, OrderState
from orders.rules import CancelReason
from orders.sagas.entry import cancel_order, refund_order, resume
from payments import api as payments
from shop.admin import (
    AmountField,
    LineField,
    Otherwise,
    ReadOnlyAdmin,
    ReadOnlyInline,
    action,
    bulk_action,
    confirmation,
    display,
    in_words,
    lists_of_order,
    money,
    money_of,
    preformatted,
    pretty_json,
    row_of,
    shown_once,
    status_badge,
)
from shop.cards import refuse_card_number
from shop.countries import country_name
from shop.money import Money
from shop.story.timeline import lines_of, story_of
from shop.text import words

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


class AdjustmentInline(ReadOnlyInline):
    """What was added to the prices of the lines, or taken off."""

    model = Adjustment
    fields = readonly_fields = ("kind", "label", "code", "rate", "amount", "included")

    @display(description="amount")
    def amount(self, obj: Adjustment) -> str:
        """Show what it adds, or takes off."""
        return Money(obj.amount_minor, obj.order.currency).localized()


class ContactInline(ReadOnlyInline):
    """Who gets it."""

    model = Contact
    verbose_name_plural = "delivery to"
    fields = readonly_fields = ("name", "email", "line1", "line2", "postal_code", "city", "region", "in_country")

    @display(description="country")
    def in_country(self, obj: Contact) -> str:
        """Show its name."""
        return country_name(obj.country)


class ContactDetailsInline(ReadOnlyInline):
    """What else its customer said."""

    model = ContactDetails
    verbose_name_plural = "bill to, and what else the customer said"
    fields = readonly_fields = (
        *SAID_BY_SOME,
        "billing_name",
        "billing_line1",
        "billing_line2",
        "billing_postal_code",
        "billing_city",
        "billing_region",
        "in_billing_country",
    )

    @display(description="billing country")
    def in_billing_country(self, obj: ContactDetails) -> str:
        """Show its name."""
        return country_name(obj.billing_country)


class CodeUseInline(ReadOnlyInline):
    """Which discount codes it uses."""

    model = CodeUse
    verbose_name_plural = "discount codes"
    fields = readonly_fields = ("code", "status")


class SagaInline(ReadOnlyInline):
    """How far its sagas are."""

    model = Saga
    fields = readonly_fields = ("name", "waits_for", "due_at", "attempts", "parked_at", "finished_at", "last_error")

    waits_for = in_words("waiting_for")


class RefundForm(BaseDialogForm):
    """How much to return."""

    amount = AmountField()
    reason = LineField(max_length=80, widget=UnfoldAdminTextInputWidget, validators=[refuse_card_number])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        order = row_of(Order, self.object_id)
        self._currency = order.currency if order else ""
        if order:
            left = payments.get_refundable(order_id=order.pk)
            # A payment that was voided before it began has no currency of its own.
            left = left if left and left.minor else Money.zero(order.currency)
            self.fields["amount"].label = f"Amount in {order.currency}"
            self.fields["amount"].help_text = f"{left} may still be refunded."

    def clean_amount(self) -> Money:
        """Read the amount in the order's currency. Raises: ValidationError."""
        if not self._currency:
            raise ValidationError("There is no such order.")
        amount = money_of(self.cleaned_data["amount"], self._currency)
        if not amount.minor:
            raise ValidationError("Nothing would be refunded: enter an amount.", code="nothing")
        return amount


def _in_a_line(object_id: object) -> str:
    order = row_of(Order, object_id)
    if order is None:
        return "There is no such order."
    return f"Order {order.number}, {words(order.status)}, {order.total.localized()} in all"


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    """Orders."""

    list_display = ("number", "status_label", "total", "placed_at", "canceled_for", "tracking_number", "id")
    list_filter = ("status", "cancel_reason", "currency", "placed_at")
    search_fields = ("number", "id", "customer_id", "contact__email__iexact")
    search_help_text = "An order's number or id, a customer's id, or a whole email address"
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": ("number", "status", "total", "elsewhere", "story")}),
        ("Times", {"fields": ("placed_at", "pay_before", "confirmed_at", "closed_at")}),
        ("Parcel", {"fields": ("carrier", "tracking_number")}),
        ("Why it was canceled", {"fields": ("canceled_for", "refusal_json")}),
        (
            "For engineers",
            {
                "fields": (
                    "id",
                    "customer_id",
                    "guest_id",
                    "version",
                    "payment_method",
                    "pays_at_once",
                    "idempotency_key",
                )
            },
        ),
    )
    readonly_fields = ("canceled_for", "elsewhere", "refusal_json", "story", "total")
    inlines = (OrderLineInline, AdjustmentInline, ContactInline, ContactDetailsInline, CodeUseInline, SagaInline)
    actions = ("cancel_selected",)
    actions_detail: Any = ("cancel_one", "refund_one", "resume_one", "revoke_links_one")

    status_label = status_badge(colors=STATUS_COLORS)
    canceled_for = in_words("cancel_reason")
    total = money("total_minor", description="total")

    @display(description="refusal")
    def refusal_json(self, obj: Order) -> SafeString:
        """Show the facts of the refusal that canceled it."""
        return pretty_json(obj.refusal) if obj.refusal else SafeString("-")

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Order | None:
        """Return an order with whoever looks at it, for what depends on their permissions."""
        order = super().get_object(request, object_id, from_field)
        if order:
            vars(order)["seen_by"] = request
        return order

    @display(description="see also")
    @shown_once
    def elsewhere(self, obj: Order) -> SafeString:
        """Show where its payment, parcel, stock and mails are listed."""
        return lists_of_order(obj.pk, request=vars(obj)["seen_by"])

    @display(description="story")
    @shown_once
    def story(self, obj: Order) -> SafeString:
        """Show the whole story, as `manage.py explain_order` tells it."""
        told = story_of(obj.pk)
        return preformatted("\n".join(lines_of(told))) if told.happened else SafeString("-")

    def has_cancel_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Ask for orders.cancel_order."""
        return request.user.has_perm("orders.cancel_order")

    def has_refund_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Ask for orders.refund_order."""
        return request.user.has_perm("orders.refund_order")

    def has_resume_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Ask for orders.resume_saga."""
        return request.user.has_perm("orders.resume_saga")

    @bulk_action(
        description="Cancel, with a refund where paid",
        consequence="Each order is canceled: its payment is voided or refunded in full, and its stock goes back.",
        permissions=("cancel",),
    )
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
            "Cancel this order",
            "Its payment is voided or refunded and its stock goes back.",
            submit="Cancel the order",
            about=_in_a_line,
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
            amount: Money = form.cleaned_data["amount"]
            if payments.is_refund_under_way(order_id=order.pk, amount=amount):
                self.message_user(
                    request,
                    f"{order}: a refund of {amount} is under way. It is recorded and continues automatically: "
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
                lambda: refund_order(
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
            self.attempt(request, order, "saga resumed", lambda: _walk(order.pk))
        return self.back_to(request, object_id)

    def has_revoke_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Ask for orders.revoke_links."""
        return request.user.has_perm("orders.revoke_links")

    @action(
        description="Revoke links",
        permissions=("revoke",),
        url_path="revoke-links",
        icon="link_off",
        dialog=confirmation(
            "Revoke links",
            "The links in all mails sent so far about this order stop working; its customer can ask for a new one.",
            submit="Revoke",
            about=_in_a_line,
        ),
    )
    def revoke_links_one(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        """End the links in the mails about this order."""
        if order := self.get_object(request, object_id):
            self.attempt(request, order, "links revoked", lambda: services.revoke_links(order_id=order.pk))
        return self.back_to(request, object_id)

    def _cancel(self, request: HttpRequest, order: Order) -> None:
        self.attempt(
            request,
            order,
            "canceled",
            lambda: _sum_up_cancel(cancel_order(order_id=order.pk, reason=CancelReason.STAFF_REQUEST)),
        )


def _walk(order_id: uuid.UUID) -> Otherwise | None:
    """Walk an order as far as it goes now; return what else came of it. Raises: the Fault that it met, as in every action."""
    if not services.resume_saga_now(order_id=order_id):
        return Otherwise("nothing to resume: it has no unfinished saga")
    reached = resume(order_id=order_id)
    if reached.fault is not None:
        raise reached.fault
    if reached.waiting_for:
        return Otherwise(f"walked, and it waits for the {reached.waiting_for}: it is {reached.status}")
    return None


def _sum_up_cancel(order: OrderState) -> Otherwise | None:
    """Return how far a cancel came that is not finished: the sweep does the rest."""
    if order.status in CALLED_OFF:
        return None
    return Otherwise(f"is {order.status}, and goes on automatically")
