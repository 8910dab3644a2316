"""Pages that show and never edit, their actions that call services, and how a page shows things."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from django.contrib import messages
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold import decorators as unfold
from unfold.admin import ModelAdmin, TabularInline

from shop.errors import Fault, Refusal
from shop.money import Money
from shop.staff import log_action

Method = TypeVar("Method", bound=Callable[..., Any])


def action(*, permissions: Sequence[str] = ("act",), **options: Any) -> Callable[[Method], Method]:
    """Make a method an action, for whoever may "act" on the model (see ReadOnlyAdmin) unless told otherwise.

    Takes the options of unfold's decorator: description, url_path, icon, variant, attrs, dialog.
    """
    decorate: Any = unfold.action
    made: Callable[[Method], Method] = decorate(permissions=permissions, **options)
    return made


def display(**options: Any) -> Callable[[Method], Method]:
    """Make a method a column of the list or a read-only field of the page.

    Takes the options of unfold's decorator: description, ordering, label, boolean, header, empty_value.
    """
    decorate: Any = unfold.display
    made: Callable[[Method], Method] = decorate(**options)
    return made


def confirmation(title: str, description: str, *, submit: str) -> dict[str, Any]:
    """Return the dialog of a detail or row action: `@action(dialog=confirmation(...))`.

    Without one such an action would answer a plain GET link, which any page could make a browser follow.
    """
    return {"title": title, "description": description, "form_class": None, "form_submit_text": submit}


def status_badge(field: str = "status", *, colors: Mapping[str, str]) -> Callable[..., Any]:
    """Return a list column that shows a status as a colored label.

    `colors`: status -> success, info, warning or danger; others stay gray. `status_label = status_badge(colors={...})`.
    """

    @display(description=field.replace("_", " "), ordering=field, label=dict(colors))
    def badge(self: Any, obj: Model) -> str:
        return str(getattr(obj, field))

    return badge


def money(minor_field: str, currency_field: str = "currency", *, description: str = "") -> Callable[..., Any]:
    """Return a list column that shows an amount of minor units as a human reads it."""

    @display(description=description or minor_field.removesuffix("_minor").replace("_", " "), ordering=minor_field)
    def amount(self: Any, obj: Model) -> str:
        return Money(getattr(obj, minor_field), getattr(obj, currency_field)).localized()

    return amount


def pretty_json(value: object) -> SafeString:
    """Return JSON for reading: indented, in a box that scrolls."""
    return format_html(
        '<pre class="whitespace-pre-wrap text-xs max-h-96 overflow-auto">{}</pre>',
        json.dumps(value, indent=2, sort_keys=True, default=str, ensure_ascii=False),
    )


class ReadOnlyAdmin(ModelAdmin):
    """A page that shows and never edits: no add, no change, no delete, every field read-only; viewing by permission.

    `actions` (on the selected rows) and `actions_detail` (with `confirmation`) may call services. A service's Refusal
    or Fault becomes a message through `attempt`.
    """

    list_per_page = 50
    show_full_result_count = False
    list_filter_submit = True
    view_on_site = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Say no: rows are made by services."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Say no: rows are changed by services."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Say no: what happened stays."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Ask for the permission to view; the one to change (which here means: to use the actions) holds it too."""
        return self._has(request, "view") or self._has(request, "change")

    def has_act_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Ask for the permission to change, which no form uses: `@action` asks for it."""
        return self._has(request, "change")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        """Name every field, JSON by its readable form, and what the subclass adds."""
        named = list(super().get_readonly_fields(request, obj))
        fields = [field.name for field in self.opts.fields if field.name not in named]
        return [*fields, *named]

    def attempt(self, request: HttpRequest, obj: Model, message: str, call: Callable[[], object]) -> bool:
        """Run a service for `obj`, log it as `message` and say so; show a Refusal or Fault instead of raising it.

        What a Fault interrupts may have happened, and the sweeps finish it: it is logged as well.
        """
        try:
            call()
        except Refusal as refusal:
            self.message_user(request, f"{obj}: {refusal}", messages.ERROR)
            return False
        except Fault as fault:
            unknown = f"{message}: its outcome is not known yet"
            log_action(staff=request.user, obj=obj, message=unknown)
            self.message_user(
                request,
                f"{obj}: {unknown} ({fault}). It is recorded and goes on by itself: do not repeat it.",
                messages.WARNING,
            )
            return False
        log_action(staff=request.user, obj=obj, message=message)
        self.message_user(request, f"{obj}: {message}", messages.SUCCESS)
        return True

    def back_to(self, request: HttpRequest, object_id: object) -> HttpResponse:
        """Answer a detail action: back to the object's page, from a dialog as well as from a plain form."""
        name = f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_change"
        url = reverse(name, args=[object_id])
        if request.headers.get("HX-Request"):
            return HttpResponse(headers={"HX-Redirect": url})
        return HttpResponseRedirect(url)

    def _has(self, request: HttpRequest, what: str) -> bool:
        return request.user.has_perm(f"{self.opts.app_label}.{what}_{self.opts.model_name}")


class ReadOnlyInline(TabularInline):
    """Rows that belong to the object of a read-only page."""

    extra = 0
    max_num = 0
    can_delete = False
    show_change_link = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Say no: rows are made by services."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Say no: rows are changed by services."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Say no: what happened stays."""
        return False
