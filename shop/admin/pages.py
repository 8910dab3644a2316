"""Pages that show and never edit, their actions that call services, and how a page shows things."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from operator import attrgetter
from typing import Any, TypeVar
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.views.main import ORDER_VAR
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold import decorators as unfold
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import BaseDialogForm
from unfold.views import ChangeList

from shop.accounts.trail import log_action
from shop.admin.searching import NOTHING, ORDER_ID, BoundedPaginator, matching
from shop.errors import Busy, Fault, Refusal
from shop.money import Money
from shop.text import words

Method = TypeVar("Method", bound=Callable[..., Any])


@dataclass(frozen=True)
class Otherwise:
    """The outcome of an action that did not, or did not yet, do what staff asked for."""

    what: str


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


def confirmation(
    title: str, description: str, *, submit: str, about: Callable[[object], str] | None = None
) -> dict[str, Any]:
    """Return the dialog of a detail or row action: `@action(dialog=confirmation(...))`.

    Without one such an action would answer a plain GET link, which any page could make a browser follow. `about` says
    of one row, by its id, what the action would move: which order, how much money.
    """
    form = type("About", (_AboutForm,), {"about": staticmethod(about)}) if about else None
    return {"title": title, "description": description, "form_class": form, "form_submit_text": submit}


class _AboutForm(BaseDialogForm):
    """A question that names what it is about."""

    form_before_template = "shop/about.html"
    about: Callable[[object], str]

    def get_before_template_context(self, request: HttpRequest, object_id: int | str | None = None) -> dict[str, Any]:
        """Return what the template says."""
        return {"about": self.about(object_id)}


def status_badge(field: str = "status", *, colors: Mapping[str, str]) -> Callable[..., Any]:
    """Return a list column that shows a status as a colored label, in words.

    `colors`: status -> success, info, warning or danger; others stay gray. `status_label = status_badge(colors={...})`.
    """

    @display(description=words(field), ordering=field, label=_Colors(colors))
    def badge(self: Any, obj: Model) -> tuple[str, str]:
        status = str(getattr(obj, field))
        shown: Callable[[], str] = getattr(obj, f"get_{field}_display", lambda: words(status))
        return status, shown()

    return badge


class _Colors(dict[str, str]):
    """The colors of a label; unfold shows the words beside a status only where it finds the status here."""

    def __missing__(self, status: str) -> str:
        return ""


def in_words(field: str, *, description: str = "") -> Callable[..., Any]:
    """Return a list column or read-only field that shows a code in words: "out of stock" for out_of_stock."""

    @display(description=description or words(field), ordering=field)
    def shown(self: Any, obj: Model) -> str:
        return words(str(getattr(obj, field) or "")) or "-"

    return shown


def money(minor_field: str, currency_field: str = "currency", *, description: str = "") -> Callable[..., Any]:
    """Return a list column that shows an amount of minor units as a human reads it.

    `currency_field` may lead to another row: "payment.currency".
    """
    currency_of = attrgetter(currency_field)

    @display(description=description or minor_field.removesuffix("_minor").replace("_", " "), ordering=minor_field)
    def amount(self: Any, obj: Model) -> str:
        return Money(getattr(obj, minor_field), currency_of(obj)).localized()

    return amount


def pretty_json(value: object) -> SafeString:
    """Return JSON for reading: indented, in a box that scrolls."""
    return preformatted(json.dumps(value, indent=2, sort_keys=True, default=str, ensure_ascii=False), scrolls=True)


def preformatted(text: str, *, scrolls: bool = False) -> SafeString:
    """Return text whose lines stay lines, and break where the screen ends; with `scrolls` in a box of limited height.

    Styled in place: unfold ships only the CSS classes that it uses itself.
    """
    style = "white-space: pre-wrap; overflow-wrap: anywhere; min-width: 0"
    box = "; max-height: 24rem; overflow: auto" if scrolls else ""
    return format_html('<pre class="text-xs" style="{}">{}</pre>', style + box, text)


def shown_once(method: Method) -> Method:
    """Compute what a method shows of a row once per request, since it is expensive: unfold reads a field several times a page."""

    @wraps(method)
    def shown(self: Any, obj: Model) -> Any:
        kept: dict[str, Any] = obj.__dict__.setdefault("_shown", {})
        if method.__name__ not in kept:
            kept[method.__name__] = method(self, obj)
        return kept[method.__name__]

    return shown  # type: ignore[return-value]


def lists_of_order(order_id: UUID, *, request: HttpRequest) -> SafeString:
    """Return links to the lists of other pages that hold rows of an order, each searched for it; only what this user may see."""
    found = [
        (
            str(model._meta.verbose_name_plural),
            reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"),
        )
        for model, page in sorted(admin.site._registry.items(), key=lambda one: one[0]._meta.label)  # noqa: SLF001
        if any(path.removesuffix("__exact").endswith(ORDER_ID) for path in page.search_fields)
        and page.has_view_permission(request)
    ]
    links = ((f"{address}?q={order_id}", name) for name, address in found)
    return format_html_join(" · ", '<a class="underline" href="{}">{}</a>', links) or SafeString("-")


class UrgentFirst(ChangeList):
    """A list in its page's order, with what waits for a human before everything else on the first page.

    Not by ORDER BY: that would sort the whole table for a page.
    """

    def get_results(self, request: HttpRequest) -> None:
        """Read the page, and the urgent rows of all pages before it, unless somebody has chosen an order."""
        super().get_results(request)
        urgent = getattr(self.model_admin, "urgent", None)
        if urgent is None or self.page_num > 1 or ORDER_VAR in self.params:
            return
        first = list(self.queryset.filter(urgent)[: self.list_per_page])
        keys = {row.pk for row in first}
        self.result_list = [*first, *(row for row in self.result_list if row.pk not in keys)]


class ReadOnlyAdmin(ModelAdmin):
    """A page that shows and never edits: no add, no change, no delete, every field read-only; viewing by permission.

    A search finds rows by the whole value of one of `search_fields`, each of them with an index; a table that orders
    don't let grow may set `searches_exactly = False` and have Django's own search.
    `actions` (on the selected rows) and `actions_detail` (with `confirmation`) may call services. A service's Refusal
    or Fault becomes a message through `attempt`.
    """

    list_per_page = 50
    # What waits for a human: such rows stand first on the first page, found by their own index.
    urgent: Q | None = None
    paginator = BoundedPaginator
    searches_exactly = True
    show_full_result_count = False
    list_filter_submit = True
    view_on_site = False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the rows of which a search field is exactly the term."""
        term = search_term.strip()
        if not term or not self.searches_exactly:
            return super().get_search_results(request, queryset, search_term)
        found = NOTHING
        for path in self.get_search_fields(request):
            found |= matching(self.model, path, term)
        return queryset.filter(found), False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the list that puts first what waits for a human."""
        return UrgentFirst

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
        """Name every field but those of `exclude`, and what the subclass adds, such as the readable form of JSON."""
        named = list(super().get_readonly_fields(request, obj))
        left_out = {*named, *(self.exclude or ())}
        fields = [field.name for field in self.opts.fields if field.name not in left_out]
        return [*fields, *named]

    def attempt(
        self, request: HttpRequest, obj: Model, message: str, call: Callable[[], object], *, continues: bool = True
    ) -> bool:
        """Run a service for `obj`, log it as `message` and say so; show a Refusal or Fault instead of raising it.

        Where `call` returns Otherwise, that is logged and shown as a warning instead. A Fault is logged as well: the work
        may have happened, and the sweeps finish it. With `continues=False` no sweep does: staff are told to look and repeat it, and
        of what was Busy, with which nothing was done, to repeat it.
        """
        try:
            outcome = call()
        except Refusal as refusal:
            self.message_user(request, f"{obj}: {refusal}", messages.ERROR)
            return False
        except Fault as fault:
            if not continues and isinstance(fault, Busy):
                self.message_user(request, f"{obj}: nothing was done ({fault}). Repeat it: {message}.", messages.ERROR)
                return False
            unknown = f"{message}: its outcome is not known yet"
            log_action(staff=request.user, obj=obj, message=unknown)
            goes_on = (
                "It is recorded and continues automatically: do not repeat it."
                if continues
                else "Nothing continues it: look whether it is there, and repeat it if it is not."
            )
            self.message_user(request, f"{obj}: {unknown} ({fault}). {goes_on}", messages.WARNING)
            return False
        done, level = (
            (outcome.what, messages.WARNING) if isinstance(outcome, Otherwise) else (message, messages.SUCCESS)
        )
        log_action(staff=request.user, obj=obj, message=done)
        self.message_user(request, f"{obj}: {done}", level)
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
