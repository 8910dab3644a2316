"""Inventory's pages for staff: stock and reservations to read; products and stock changed through services only."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.forms import BaseDialogForm
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from inventory import api, queries
from inventory.catalogue import (
    GROUP_PATTERN,
    MAX_CATEGORY,
    MAX_DESCRIPTION,
    MAX_WEIGHT_GRAMS,
    TAX_CLASS_PATTERN,
    checked_details,
    read_images,
    read_options,
    write_images,
    write_options,
)
from inventory.models import (
    Product,
    Reservation,
    ReservationLine,
    ReservationStatus,
    Stock,
    StockMovement,
)
from inventory.rules import MAX_QUANTITY, SKU_PATTERN, Named
from orders import api as orders
from payments import api as payments
from shop.accounts.trail import log_action
from shop.admin import (
    AmountField,
    LineField,
    ReadOnlyAdmin,
    ReadOnlyInline,
    action,
    display,
    major_units,
    money,
    money_of,
    register_tile,
    repeat_warnings,
    row_of,
    status_badge,
)
from shop.clock import now
from shop.errors import Fault, Refusal
from shop.money import is_currency
from shop.text import did_you_mean

_DETAILS = {field.name for field in fields(api.Details)}
_MOMENT = "Empty, or a moment like 2026-12-01 08:00."

register_tile("inventory", "Stock", queries.stock_figures)


class QuantityForm(BaseDialogForm):
    """How many, and why."""

    quantity = forms.IntegerField(min_value=1, max_value=MAX_QUANTITY, widget=UnfoldAdminIntegerFieldWidget)
    reference = LineField(
        max_length=200, widget=UnfoldAdminTextInputWidget, help_text="Delivery note, count sheet, or what happened."
    )


class ProductForm(BaseDialogForm):
    """What may be changed of a product; shows what it is now."""

    name = LineField(max_length=200, widget=UnfoldAdminTextInputWidget)
    price = AmountField(help_text="As customers read it: 24.50 EUR, 1250 JPY.")
    currency = forms.CharField(
        min_length=3, max_length=3, widget=UnfoldAdminTextInputWidget, help_text="ISO 4217 code, e.g. EUR."
    )
    active = forms.BooleanField(required=False, initial=True, widget=UnfoldBooleanWidget)
    active_from = forms.DateTimeField(required=False, widget=UnfoldAdminTextInputWidget, help_text=_MOMENT)
    active_to = forms.DateTimeField(required=False, widget=UnfoldAdminTextInputWidget, help_text=_MOMENT)
    category = LineField(required=False, max_length=MAX_CATEGORY, widget=UnfoldAdminTextInputWidget)
    group = forms.RegexField(
        GROUP_PATTERN,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Products with the same code are one thing in several sizes or colors.",
        error_messages={
            "invalid": "A group has up to 64 letters, digits, ., - and _, and begins with a letter or digit."
        },
    )
    options = forms.CharField(
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="What distinguishes it within its group, one per line: size=M",
    )
    description = forms.CharField(
        required=False, max_length=MAX_DESCRIPTION, widget=UnfoldAdminTextareaWidget(attrs={"rows": 5})
    )
    images = forms.CharField(
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="One per line: the address, a space, and what the picture shows. https://cdn.example/mug.jpg A blue mug",
    )
    weight_grams = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=MAX_WEIGHT_GRAMS,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Of one unit, packed.",
    )
    tax_class = forms.RegexField(
        TAX_CLASS_PATTERN,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Which rates of tax apply; empty for the usual ones.",
        error_messages={"invalid": "A tax class has up to 40 small letters, digits, - and _, such as reduced."},
    )
    untaxed = forms.BooleanField(
        required=False,
        label="No tax rate yet",
        widget=UnfoldBooleanWidget,
        help_text="Tick to save a tax class that no active tax rate is for. Until one is, the product is sold without tax.",
    )

    # What the product was as the form was opened; empty where nobody can have changed it.
    seen = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, request: HttpRequest, object_id: str | None = None, *args: Any, **kwargs: Any) -> None:
        product = row_of(Product, object_id)
        self.product = product
        self.warnings: list[str] = []
        if product is not None:
            kwargs["initial"] = {
                "name": product.name,
                "price": major_units(product.price),
                "currency": product.currency,
                "active": product.active,
                **vars(product.details),
                "images": write_images(product.details.images),
                "options": write_options(product.options),
            }
            kwargs["initial"]["seen"] = _digest(kwargs["initial"])
        super().__init__(request, object_id, *args, **kwargs)

    def clean_seen(self) -> str:
        """Refuse to put back what somebody else has changed since the form was opened: price, whether it is for sale, or anything."""
        seen = str(self.cleaned_data["seen"])
        if seen and seen != self.initial.get("seen"):
            # At a field that is shown: a dialog has no place for what is wrong with the whole form.
            self.add_error(
                "name",
                "Somebody has changed this product since you opened this form. Close it, look at what is there now, and open it again.",
            )
        return seen

    def clean(self) -> dict[str, Any]:
        """Put price and currency together as `money`, and what is told of it as `details`."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        cleaned |= self._details(cleaned)
        if "price" not in cleaned or "currency" not in cleaned:
            return cleaned
        currency = str(cleaned["currency"]).upper()
        if not is_currency(currency):
            raise ValidationError({"currency": f"{currency} is not an ISO 4217 code."})
        try:
            money = money_of(cleaned["price"], currency)
        except ValidationError as refusal:
            raise ValidationError({"price": refusal}) from refusal
        try:
            payments.check_chargeable(amount=money)
        except payments.UnchargeableAmount as refusal:
            raise ValidationError({"price": refusal.detail}) from refusal
        return cleaned | {"money": money}

    def clean_tax_class(self) -> str:
        """Refuse a class that no tax rate is for, unless that is meant, or was saved before."""
        tax_class = str(self.cleaned_data["tax_class"])
        before = self.product.tax_class if self.product else ""
        if not tax_class or tax_class == before or self.data.get("untaxed"):
            return tax_class
        for name, others in orders.find_untaxed_classes(tax_classes=[tax_class]).items():
            raise ValidationError(
                f"No active tax rate is for {name}: the product would be sold without tax.{did_you_mean(others)}"
                ' If it is meant so, tick "No tax rate yet".'
            )
        return tax_class

    def clean_category(self) -> str:
        """Take a new category, and ask where it looks like one that there is."""
        category = str(self.cleaned_data["category"])
        found = queries.find_unknown(member=Named.CATEGORY, names=[category])
        self.warnings += [
            f"{name} is a new category.{did_you_mean(others)} Discount codes and pages take them for two."
            for name, others in found.items()
            if others
        ]
        return category

    def _details(self, cleaned: dict[str, Any]) -> dict[str, Any]:
        """Return the details as they are kept; none while a field of theirs is wrong."""
        if self.errors.keys() & _DETAILS:
            return {}
        try:
            details = api.Details(
                **{name: cleaned[name] for name in _DETAILS - {"images", "options", "weight_grams"}},
                images=read_images(cleaned["images"]),
                options=read_options(cleaned["options"]),
                weight_grams=cleaned["weight_grams"] or 0,
            )
            return {"details": checked_details(details)}
        except api.InvalidProduct as refusal:
            raise ValidationError({refusal.field: refusal.detail}) from refusal


class NewProductForm(ProductForm):
    """A product with its SKU, which never changes."""

    sku = forms.RegexField(
        SKU_PATTERN,
        label="SKU",
        widget=UnfoldAdminTextInputWidget,
        error_messages={
            "invalid": "A SKU has up to 64 letters, digits, ., - and _, and begins with a letter or digit, such as MUG-BLUE."
        },
    )

    field_order = ("sku", "name", "price", "currency", "active")


def _digest(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(repr(sorted(values.items())).encode()).hexdigest()[:32]


def _dialog(title: str, description: str, form_class: type[BaseDialogForm], submit: str) -> dict[str, Any]:
    return {"title": title, "description": description, "form_class": form_class, "form_submit_text": submit}


@admin.register(Product)
class ProductAdmin(ReadOnlyAdmin):
    """Products: add, edit, receive and write off, each as a small form that calls its service."""

    list_display = ("sku", "name", "category", "price_label", "available", "reserved", "sold", "for_sale")
    list_filter = ("active", "category", "currency")
    list_select_related = ("stock",)
    search_fields = ("sku", "name", "category", "group")
    searches_exactly = False
    ordering = ("sku",)
    actions_list: Any = ("add_one",)
    actions_detail: Any = ("edit", "receive", "write_off")

    fields = (
        "sku", "name", "price_label", "active", "active_from", "active_to", "category", "group", "options_in_words",
        "description", "images", "weight_grams", "tax_class", "created_at", "id",
    )  # fmt: skip
    readonly_fields = ("options_in_words", "price_label")
    price_label = money("price_minor", description="price")

    @display(description="options")
    def options_in_words(self, obj: Product) -> str:
        """Show what distinguishes it within its group: color: blue, size: M."""
        return ", ".join(f"{name}: {value}" for name, value in sorted(obj.options.items())) or "-"

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Redirect to the list, whose button adds a product: people type this address of Django's. Raises: PermissionDenied."""
        if not self.has_create_permission(request):
            raise PermissionDenied
        self.message_user(
            request,
            'Press "Add product" to add one here. `manage.py import_products FILE` adds many from a CSV.',
            messages.INFO,
        )
        return HttpResponseRedirect(reverse(f"{self.admin_site.name}:inventory_product_changelist"))

    def has_create_permission(self, request: HttpRequest) -> bool:
        """Ask for the permission to add products, which no form of Django's uses."""
        return self._has(request, "add")

    def has_stock_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Ask for the permission to change stock."""
        return request.user.has_perm("inventory.change_stock")

    @display(description="for sale", boolean=True)
    def for_sale(self, obj: Product) -> bool:
        """Show whether it can be ordered now."""
        return obj.is_for_sale(now())

    @display(description="available", ordering="stock__available")
    def available(self, obj: Product) -> int:
        """Show what can be sold."""
        return obj.stock.available

    @display(description="reserved", ordering="stock__reserved")
    def reserved(self, obj: Product) -> int:
        """Show what orders keep."""
        return obj.stock.reserved

    @display(description="sold", ordering="stock__sold")
    def sold(self, obj: Product) -> int:
        """Show what orders have bought."""
        return obj.stock.sold

    @action(
        description="Add product",
        permissions=["create"],
        url_path="add-one",
        icon="add",
        dialog=_dialog("Add product", "It has no stock until some is received.", NewProductForm, "Add"),
    )
    def add_one(self, request: HttpRequest, form: NewProductForm) -> HttpResponse:
        """Add a product and go to its page."""
        try:
            product_id = api.add_product(
                sku=form.cleaned_data["sku"],
                name=form.cleaned_data["name"],
                price=form.cleaned_data["money"],
                active=form.cleaned_data["active"],
                details=form.cleaned_data["details"],
            )
        except (Refusal, Fault) as error:
            self.message_user(request, str(error), messages.ERROR)
            url = reverse(f"{self.admin_site.name}:inventory_product_changelist")
            if request.headers.get("HX-Request"):
                return HttpResponse(headers={"HX-Redirect": url})
            return HttpResponseRedirect(url)
        log_action(staff=request.user, obj=Product.objects.get(pk=product_id), message="added")
        repeat_warnings(request, form)
        return self.back_to(request, product_id)

    @action(
        description="Edit",
        permissions=["act"],
        url_path="edit",
        icon="edit",
        dialog=_dialog("Edit product", "Orders keep the name and price they were placed with.", ProductForm, "Save"),
    )
    def edit(self, request: HttpRequest, form: ProductForm, object_id: str) -> HttpResponse:
        """Change name, price, whether it is for sale, and what is told of it."""
        values, product = form.cleaned_data, self.get_object(request, object_id)
        if product is not None:
            name, price, active, details = values["name"], values["money"], values["active"], values["details"]
            self.attempt(
                request,
                product,
                f"changed to {name!r}, {price}, {'active' if active else 'inactive'}",
                lambda: api.change_product(sku=product.sku, name=name, price=price, active=active, details=details),
                continues=False,
            )
            repeat_warnings(request, form)
        return self.back_to(request, object_id)

    @action(
        description="Receive stock",
        permissions=["stock"],
        url_path="receive",
        icon="input",
        dialog=_dialog("Receive stock", "Units that arrived, or were written off by mistake.", QuantityForm, "Receive"),
    )
    def receive(self, request: HttpRequest, form: QuantityForm, object_id: str) -> HttpResponse:
        """Add units to the stock."""
        quantity, reference = form.cleaned_data["quantity"], form.cleaned_data["reference"]
        if product := self.get_object(request, object_id):
            self.attempt(
                request,
                product,
                f"received {quantity}: {reference}",
                lambda: api.receive_stock(sku=product.sku, quantity=quantity, reference=reference),
                continues=False,
            )
        return self.back_to(request, object_id)

    @action(
        description="Write off",
        permissions=["stock"],
        url_path="write-off",
        icon="output",
        dialog=_dialog("Write off", "Units lost, broken, or received by mistake.", QuantityForm, "Write off"),
    )
    def write_off(self, request: HttpRequest, form: QuantityForm, object_id: str) -> HttpResponse:
        """Take units off the stock."""
        quantity, reference = form.cleaned_data["quantity"], form.cleaned_data["reference"]
        if product := self.get_object(request, object_id):
            self.attempt(
                request,
                product,
                f"wrote off {quantity}: {reference}",
                lambda: api.write_off_stock(sku=product.sku, quantity=quantity, reason=reference),
                continues=False,
            )
        return self.back_to(request, object_id)


@admin.register(Stock)
class StockAdmin(ReadOnlyAdmin):
    """How much there is; changed from the product's page."""

    list_display = ("product_id", "available", "reserved", "sold", "received", "written_off")
    search_fields = ("product__sku", "product__name")
    searches_exactly = False
    ordering = ("product_id",)


@admin.register(StockMovement)
class StockMovementAdmin(ReadOnlyAdmin):
    """The ledger."""

    list_display = ("at", "sku", "kind", "available_delta", "reserved_delta", "sold_delta", "order_id", "reference")
    list_filter = ("kind",)
    search_fields = ("sku__exact", "order_id__exact")
    ordering = ("-id",)


class ReservationLineInline(ReadOnlyInline):
    """The lines of a reservation."""

    model = ReservationLine
    fields = ("sku", "quantity")
    readonly_fields = ("sku", "quantity")


@admin.register(Reservation)
class ReservationAdmin(ReadOnlyAdmin):
    """What is kept for which order; moved by the order's process only."""

    list_display = ("order_id", "status_label", "expires_at", "created_at", "version")
    list_filter = ("status",)
    search_fields = ("order_id__exact",)
    ordering = ("-order_id",)
    inlines = (ReservationLineInline,)

    status_label = status_badge(
        colors={
            ReservationStatus.HELD: "info",
            ReservationStatus.PAYING: "info",
            ReservationStatus.COMMITTED: "success",
            ReservationStatus.SHORT: "warning",
            ReservationStatus.EXPIRED: "warning",
        }
    )
