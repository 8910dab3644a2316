"""Shipping in the admin: everything can be read; staff dispatch, confirm a delivery, and settle a refused booking."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextInputWidget

from inventory import api as inventory
from payments import api as payments
from shipping import rules
from shipping.models import (
    MAY_LEAVE,
    Hold,
    Shipment,
    ShipmentStatus,
    ShippingOption,
    ShippingRate,
    SurplusBooking,
)
from shipping.queries import dashboard_figures, find_hold, held_now, why_held
from shipping.services import holds, shipments, surplus
from shop.admin import (
    AmountField,
    CountriesField,
    CurrencyField,
    LineField,
    Naming,
    ReadOnlyAdmin,
    RuleAdmin,
    RuleForm,
    RuleInline,
    action,
    bulk_action,
    confirmation,
    display,
    in_words,
    register_tile,
    row_of,
    status_badge,
)
from shop.money import Money

register_tile("shipping", "Shipments", dashboard_figures)


class DispatchForm(BaseDialogForm):
    """Which parcel left with whom."""

    carrier = LineField(
        max_length=rules.CARRIER_NAME_LENGTH,
        widget=UnfoldAdminTextInputWidget,
        help_text="Who takes the parcel, as the customer knows the company",
    )
    tracking_number = forms.CharField(max_length=rules.TRACKING_NUMBER_LENGTH, widget=UnfoldAdminTextInputWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        shipment = row_of(Shipment, self.object_id)
        if shipment is not None:
            self.initial = {"carrier": shipment.carrier, "tracking_number": shipment.tracking_number}


def possible_actions(shipment: Shipment) -> frozenset[str]:
    """Return the actions of a shipment's page that its status and its holds do not refuse."""
    match shipment.status:
        case ShipmentStatus.DISPATCHED:
            return frozenset({"confirm_one"})
        case ShipmentStatus.PENDING | ShipmentStatus.BOOKED if find_hold(shipment.order_id) is not None:
            return frozenset({"release_one"})
        case ShipmentStatus.BOOKED:
            return frozenset({"dispatch_one"})
        case ShipmentStatus.PENDING:
            in_doubt = shipment.carrier_asked_at is not None and not shipment.refusal_code
            return frozenset({"retry_one"} if in_doubt else {"retry_one", "book_by_hand"})
    return frozenset()


def held_notice(shipment: Shipment) -> str:
    """Return why the parcel does not leave and what staff can do; "" where no dispute holds it, or it has left."""
    hold = find_hold(shipment.order_id) if shipment.status in MAY_LEAVE else None
    if hold is None:
        return ""
    to_do = (
        "Cancel the order, or release the parcel if it is to leave all the same."
        if hold.for_staff
        else "Answer the dispute (Disputes); then it goes on automatically. Release the parcel only if it is to leave now."
    )
    return f"This parcel is held: {why_held(hold)}. {to_do}"


@admin.register(Shipment)
class ShipmentAdmin(ReadOnlyAdmin):
    """Shipments; the address stands on the order."""

    list_display = (
        "id",
        "order_id",
        "status_label",
        "waits_for",
        "carrier",
        "tracking_number",
        "created_at",
        "due_at",
    )
    list_filter = ("status", "carrier", ("refusal_code", admin.EmptyFieldListFilter), "created_at")
    search_fields = ("id__exact", "order_id__exact", "tracking_number__exact", "carrier_reference__exact")
    ordering = ("-id",)
    exclude = ("refusal_code", "cancel_reason")
    readonly_fields = ("refused_for", "canceled_for")
    actions = ("confirm_selected", "retry_selected")
    actions_detail: Any = ("dispatch_one", "confirm_one", "retry_one", "book_by_hand", "release_one")

    status_label = status_badge(
        colors={
            ShipmentStatus.PENDING: "warning",
            ShipmentStatus.BOOKED: "info",
            ShipmentStatus.DISPATCHED: "info",
            ShipmentStatus.DELIVERED: "success",
        }
    )

    refused_for = in_words("refusal_code")
    canceled_for = in_words("cancel_reason")

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, *args: Any, **kwargs: Any) -> Any:
        """Say above everything else that a dispute holds the parcel, why, and what to do."""
        shipment = (
            row_of(Shipment, object_id) if request.method == "GET" and self.has_view_permission(request) else None
        )
        if shipment is not None and (notice := held_notice(shipment)):
            self.message_user(request, notice, messages.WARNING)
        return super().changeform_view(request, object_id, *args, **kwargs)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer what would not be refused as the shipment stands."""
        offered: list[Any] = super().get_actions_detail(request, object_id)
        shipment = row_of(Shipment, object_id)
        possible = possible_actions(shipment) if shipment else frozenset()
        prefix = f"{self.opts.app_label}_{self.opts.model_name}_"
        return [each for each in offered if each.action_name.removeprefix(prefix) in possible]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Shipment]:
        """Note of each whether a dispute holds it."""
        noted: QuerySet[Shipment] = (
            super().get_queryset(request).annotate(held=held_now(), held_by_bank=held_now(for_staff=False))
        )
        return noted

    @display(description="waits for", label={"staff": "warning", "dispute": "danger"})
    def waits_for(self, shipment: Shipment) -> str:
        """Say who is next: staff, where nothing happens to this shipment automatically though it is not at its end."""
        if not Shipment.TRANSITIONS[shipment.status]:
            return "-"
        if shipment.status in MAY_LEAVE and getattr(shipment, "held", False):
            return "dispute" if getattr(shipment, "held_by_bank", False) else "staff"
        return "staff" if shipment.due_at is None else "carrier"

    @action(
        description="Dispatch",
        url_path="dispatch",
        icon="local_shipping",
        dialog={
            "title": "Dispatch",
            "description": "The parcel has left. The customer is told by mail.",
            "form_class": DispatchForm,
            "form_submit_text": "Dispatch",
        },
    )
    def dispatch_one(self, request: HttpRequest, form: DispatchForm, object_id: str) -> HttpResponse:
        """Record who took the parcel, and its tracking number."""
        carrier, number = form.cleaned_data["carrier"], form.cleaned_data["tracking_number"]
        if shipment := self.get_object(request, object_id):
            self.attempt(
                request,
                shipment,
                f"dispatched with {carrier}, {number}",
                lambda: shipments.dispatch_shipment(
                    shipment_id=shipment.pk, tracking_number=number, carrier=carrier.strip()
                ),
            )
        return self.back_to(request, object_id)

    @action(
        description="Mark delivered",
        url_path="delivered",
        icon="where_to_vote",
        dialog=confirmation("Mark delivered", "The parcel has arrived.", submit="Mark delivered"),
    )
    def confirm_one(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        """Record that the parcel has arrived."""
        if shipment := self.get_object(request, object_id):
            self._confirm(request, shipment)
        return self.back_to(request, object_id)

    @action(
        description="Retry booking",
        url_path="retry-booking",
        icon="replay",
        dialog=confirmation("Retry booking", "Ask the carrier again, now.", submit="Retry booking"),
    )
    def retry_one(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        """Ask the carrier again."""
        if shipment := self.get_object(request, object_id):
            self._retry(request, shipment)
        return self.back_to(request, object_id)

    @action(
        description="Ship by hand",
        url_path="by-hand",
        icon="front_hand",
        dialog=confirmation(
            "Ship by hand",
            "The carrier will not be asked again; staff hand the parcel over and then dispatch it here.",
            submit="Ship by hand",
        ),
    )
    def book_by_hand(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        """Take the parcel from the carrier that refused it."""
        if shipment := self.get_object(request, object_id):
            self._retry(request, shipment, carrier="manual")
        return self.back_to(request, object_id)

    @action(
        description="Release held parcel",
        url_path="release",
        icon="lock_open",
        dialog=confirmation(
            "Release held parcel",
            "The parcel goes on its way although its payment is disputed at the customer's bank, or was lost to it.",
            submit="Release",
        ),
    )
    def release_one(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        """Let a parcel go that a dispute holds."""
        if shipment := self.get_object(request, object_id):
            self.attempt(request, shipment, "released", lambda: holds.release_by_staff(shipment_id=shipment.pk))
        return self.back_to(request, object_id)

    @bulk_action(
        description="Mark delivered",
        consequence="Each parcel counts as arrived: its order is DELIVERED and can no longer be canceled.",
    )
    def confirm_selected(self, request: HttpRequest, queryset: QuerySet[Shipment]) -> None:
        """Record that the selected parcels have arrived."""
        for shipment in queryset:
            self._confirm(request, shipment)

    @bulk_action(description="Retry booking", consequence="The carrier is asked again, now, to take each parcel.")
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[Shipment]) -> None:
        """Ask the carrier again to take the selected parcels."""
        for shipment in queryset:
            self._retry(request, shipment)

    def _confirm(self, request: HttpRequest, shipment: Shipment) -> None:
        self.attempt(request, shipment, "marked delivered", lambda: shipments.confirm_delivery(shipment_id=shipment.pk))

    def _retry(self, request: HttpRequest, shipment: Shipment, carrier: str | None = None) -> None:
        self.attempt(
            request,
            shipment,
            f"booking retried{f' with {carrier}' if carrier else ''}",
            lambda: shipments.retry_booking(shipment_id=shipment.pk, carrier=carrier),
        )


@admin.register(Hold)
class HoldAdmin(ReadOnlyAdmin):
    """Parcels that a dispute of their payment holds: released on the page of the shipment."""

    list_display = ("order_id", "dispute_id", "waits_for", "held_at", "released_at", "released_by_staff")
    list_filter = (("released_at", admin.EmptyFieldListFilter), "for_staff", "released_by_staff")
    search_fields = ("order_id__exact", "dispute_id__exact")
    ordering = ("-held_at",)

    @display(description="waits for", label={"staff": "warning"})
    def waits_for(self, hold: Hold) -> str:
        """Say who is next: staff, where the dispute is lost, or the money went back in full."""
        if hold.released_at is not None:
            return "-"
        return "staff" if hold.for_staff else "the bank"


@admin.register(SurplusBooking)
class SurplusBookingAdmin(ReadOnlyAdmin):
    """Surplus bookings: taken back automatically, or left to staff where the carrier refuses."""

    list_display = (
        "id",
        "order_id",
        "carrier",
        "carrier_reference",
        "waits_for",
        "recorded_at",
        "due_at",
        "taken_back_at",
    )
    list_filter = ("carrier", ("taken_back_at", admin.EmptyFieldListFilter), ("due_at", admin.EmptyFieldListFilter))
    search_fields = ("shipment_id__exact", "order_id__exact", "carrier_reference__exact")
    ordering = ("-id",)
    actions = ("retry_selected",)
    actions_detail: Any = ("retry_one", "settle_one")

    @display(description="waits for", label={"staff": "warning"})
    def waits_for(self, booking: SurplusBooking) -> str:
        """Say who is next: staff, where the carrier has refused to take the booking back."""
        if booking.taken_back_at:
            return "-"
        return "staff" if booking.due_at is None else "carrier"

    @action(
        description="Try again",
        url_path="retry",
        icon="replay",
        dialog=confirmation("Try again", "Ask the carrier again, now, to take the booking back.", submit="Try again"),
    )
    def retry_one(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        """Ask the carrier again."""
        if booking := self.get_object(request, object_id):
            self._retry(request, booking)
        return self.back_to(request, object_id)

    @action(
        description="Settled by hand",
        url_path="settle",
        icon="front_hand",
        dialog=confirmation(
            "Settled by hand",
            "You have settled this booking with the carrier, who will not be asked about it again.",
            submit="Settled by hand",
        ),
    )
    def settle_one(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        """Record that staff have settled it with the carrier."""
        if booking := self.get_object(request, object_id):
            self.attempt(
                request,
                booking,
                "settled with the carrier",
                lambda: surplus.settle_surplus_booking(surplus_id=booking.pk),
            )
        return self.back_to(request, object_id)

    @bulk_action(description="Try again", consequence="The carrier is asked again, now, to take each booking back.")
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[SurplusBooking]) -> None:
        """Ask the carrier again to take the selected bookings back."""
        for booking in queryset:
            self._retry(request, booking)

    def _retry(self, request: HttpRequest, booking: SurplusBooking) -> None:
        self.attempt(
            request,
            booking,
            "taken back once more",
            lambda: surplus.retry_surplus_booking(surplus_id=booking.pk),
        )


class ShippingRateForm(RuleForm):
    """A rate as staff enter it."""

    amounts = {"price": "price_minor", "free_from": "free_from_minor"}
    names = {
        "currency": Naming(
            lambda codes: inventory.find_unknown(member=inventory.Named.CURRENCY, names=codes),
            "No product is priced in {name}: until one is, no order meets this rate.",
            only_warns=True,
        )
    }
    countries = CountriesField(required=False)
    currency = CurrencyField()
    price = AmountField(help_text="What customers pay, such as 4.90; 0 where it is always free.")
    free_from = AmountField(
        above_zero=True,
        required=False,
        help_text="Free for orders whose products cost at least this, after discounts. Empty: never.",
    )

    class Meta:
        model = ShippingRate
        fields = ("countries", "min_weight_grams", "max_weight_grams", "currency", "price", "free_from")

    def check_amount(self, name: str, amount: Money) -> None:
        """Refuse a price that the card provider cannot count. Raises: UnchargeableAmount."""
        if name == "price":
            payments.check_chargeable(amount=amount)


class ShippingRateInline(RuleInline):
    """What the option costs."""

    model = ShippingRate
    form = ShippingRateForm


CODE_IN_WORDS = (
    "A code has up to 40 small letters, digits, - and _, and begins with a letter or digit, such as standard."
)


class ShippingOptionForm(RuleForm):
    """An option as staff enter it."""

    code = LineField(widget=UnfoldAdminTextInputWidget, error_messages={"invalid": CODE_IN_WORDS})
    name = LineField(max_length=80, widget=UnfoldAdminTextInputWidget)

    class Meta:
        model = ShippingOption
        fields = ("code", "name", "days_min", "days_max", "position", "active")

    def clean_code(self) -> str:
        """Take the code in any spelling."""
        return str(self.cleaned_data["code"]).lower()


@admin.register(ShippingOption)
class ShippingOptionAdmin(RuleAdmin):
    """Ways for parcels to travel, with their rates. A change is charged within PRICING_RULES_SECONDS."""

    form = ShippingOptionForm
    inlines = (ShippingRateInline,)
    list_display = ("name", "code", "days_min", "days_max", "position", "active")
    list_filter = ("active",)
    search_fields = ("code", "name")
